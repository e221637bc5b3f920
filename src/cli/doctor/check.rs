//! One thing that the doctor looked at.

use serde_json::{Value, json};

use crate::domain::{Finding, Verdict};

/// One thing that was looked at.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What is right, or what is wrong and how to mend it.
    pub(super) verdict: Result<String, (String, String)>,
    /// Works, and could work better: shown, and no failure.
    pub(super) is_advice: bool,
}

impl Check {
    /// It is right.
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Ok(detail.into()), is_advice: false }
    }

    /// It is wrong, and this mends it.
    pub(super) fn wrong(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Err((detail.into(), fix.into())), is_advice: false }
    }

    /// It works, and this could make it better.
    pub(super) fn advice(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { is_advice: true, ..Self::wrong(name, detail, fix) }
    }

    /// Whether nothing is wrong, though something could be better.
    pub(super) fn is_ok(&self) -> bool {
        self.verdict.is_ok() || self.is_advice
    }

    /// As the flag `--json` has it.
    pub(super) fn to_json(&self) -> Value {
        let (detail, fix) = match &self.verdict {
            Ok(detail) => (detail, None),
            Err((detail, fix)) => (detail, Some(fix)),
        };
        json!({ "name": self.name, "ok": self.is_ok(), "detail": detail, "fix": fix })
    }
}

impl From<Finding> for Check {
    fn from(finding: Finding) -> Self {
        const NAME: &str = "cluster";
        let fix = finding.fix.unwrap_or_else(|| "none is known".to_owned());
        match finding.verdict {
            Verdict::Good => Self::ok(NAME, finding.detail),
            Verdict::Bad => Self::wrong(NAME, finding.detail, fix),
            Verdict::Advice => Self::advice(NAME, finding.detail, fix),
        }
    }
}
