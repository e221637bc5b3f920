//! Metrics as OpenMetrics text. Their names are a contract: dashboards and alerts of others are made of them.
//!
//! What OpenTelemetry has a name for is called so, with its dots as underscores; no label names a service, a branch, a hook
//! or a deployment, so that there are as many series as there are words here.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Metrics, Rows};
use crate::db::meters::Observed;
use crate::domain::Status;

/// Begins every name.
const PREFIX: &str = "stackblaze";

/// The text of all metrics.
pub(super) fn open_metrics(metrics: Metrics) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "Which version runs", build);
    registry.register_collector(Box::new(metrics));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        tracing::error!("the metrics could not be written down");
    }
    text
}

/// What is written, and as what.
struct Encoder<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Encoder<'_, '_> {
    fn counters<L: EncodeLabelSet>(
        &mut self,
        (name, help): (&str, &str),
        counts: impl Iterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, (name, help): (&str, &str), value: i64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn seconds(&mut self, (name, help): (&str, &str), value: f64) -> fmt::Result {
        let unit = Unit::Seconds;
        self.0.encode_descriptor(name, help, Some(&unit), MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        (name, help): (&str, &str),
        values: impl Iterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms<'o, L: EncodeLabelSet>(
        &mut self,
        (name, help): (&str, &str),
        all: impl Iterator<Item = (L, &'o Observed)>,
    ) -> fmt::Result {
        let unit = Unit::Seconds;
        let mut family = self.0.encode_descriptor(name, help, Some(&unit), MetricType::Histogram)?;
        for (labels, observed) in all {
            let bound = |bound: &Option<std::time::Duration>| {
                bound.map_or(f64::INFINITY, |bound| bound.as_secs_f64())
            };
            let buckets: Vec<_> =
                observed.buckets.iter().map(|(upper, count)| (bound(upper), *count)).collect();
            let (sum, count) = (observed.sum.as_secs_f64(), observed.count());
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Encoder(&mut encoder);
        self.encode_counted(&mut out)?;
        out.gauge(("ready", "1 while calls are accepted"), self.is_ready.into())?;
        let free = i64::try_from(self.free_bytes).unwrap_or(i64::MAX);
        let unit = Unit::Bytes;
        let help = "Free space on the disk of the data directory";
        out.0.encode_descriptor("disk_free", help, Some(&unit), MetricType::Gauge)?.encode_gauge(&free)?;
        match &self.rows {
            Some(rows) => self.encode_rows(rows, &mut out),
            None => Ok(()),
        }
    }
}

impl Metrics {
    /// What was counted since the start.
    fn encode_counted(&self, out: &mut Encoder<'_, '_>) -> fmt::Result {
        let calls = self.hook_calls.iter().map(|(result, count)| ([("result", *result)], *count));
        out.counters(("hook_calls", "Calls of hook URLs, by what they were answered"), calls)?;
        let ends = self.ends.iter().map(|(reason, count)| {
            let status = if reason.is_some() { Status::Failed } else { Status::Succeeded };
            let reason = reason.map_or("", |reason| reason.as_str());
            ([("status", status.as_str()), ("reason", reason)], *count)
        });
        out.counters(("deployments_ended", "Deployments that ended, by why they failed"), ends)?;
        let runs = self.runs.iter().map(|(result, all)| ([("cicd_pipeline_result", result.as_str())], all));
        out.histograms(
            ("cicd_pipeline_run_duration", "How long deployments ran that ended, from their claim on"),
            runs,
        )?;
        let result = |has_succeeded: bool| if has_succeeded { "success" } else { "failure" };
        let steps = self.steps.iter().map(|(step, has_succeeded, all)| {
            ([("step", step.as_str()), ("result", result(*has_succeeded))], all)
        });
        out.histograms(("step_duration", "How long steps took that ended"), steps)?;
        let batches = self.batches.iter().map(|(file, all)| ([("file", *file)], all));
        out.histograms(
            (
                "writer_batch_duration",
                "How long batches of the database took, from their beginning to the answer",
            ),
            batches,
        )
    }

    /// What the tables say.
    fn encode_rows(&self, rows: &Rows, out: &mut Encoder<'_, '_>) -> fmt::Result {
        let (gauges, notices) = (&rows.gauges, &rows.notices);
        let active =
            [("pending", gauges.queued), ("executing", gauges.executing), ("finalizing", gauges.settling)];
        let active = active.into_iter().map(|(state, count)| ([("cicd_pipeline_run_state", state)], count));
        out.gauges(
            ("cicd_pipeline_run_active", "Deployments that are queued, run, or are settling"),
            active,
        )?;
        let (oldest, copy) = self.ages;
        let help = "How long the oldest queued deployment has waited; 0 where none is queued";
        out.seconds(("queue_oldest_age", help), oldest.as_secs_f64())?;
        let ready = rows.executors.iter();
        let ready = ready.map(|(kind, is_ready)| ([("executor", kind.as_str())], i64::from(*is_ready)));
        out.gauges(("executor_ready", "1 while runs can be begun there: the cluster answers"), ready)?;
        out.gauge(("notices_waiting", "Notices that are to be delivered"), notices.waiting)?;
        out.gauge(
            ("notices_given_up", "Notices that were never delivered, of those that are kept"),
            notices.given_up,
        )?;
        if let Some(copies) = &rows.copies {
            let failing = i64::from(copies.problem.is_some());
            out.gauge(
                ("backup_failing", "1 while the last scheduled copy of the database has failed"),
                failing,
            )?;
        }
        match copy {
            Some(age) => out.seconds(
                ("backup_age", "How old the newest scheduled copy of the database is"),
                age.as_secs_f64(),
            ),
            None => Ok(()),
        }
    }
}
