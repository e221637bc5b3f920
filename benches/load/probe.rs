//! The bare disk, and a quiet machine.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processor of what is measured and that of the driver: the first two that this process may use, or the one there is.
pub fn processors() -> Result<(usize, usize)> {
    let own = sched_getaffinity(None)?;
    let mut free = (0..CpuSet::MAX_CPU).filter(|&processor| own.is_set(processor));
    let first = free.next().unwrap_or(0);
    Ok((first, free.next().unwrap_or(first)))
}

/// Lets this process run on one processor only.
pub fn bind_to(processor: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    Ok(sched_setaffinity(None, &set)?)
}

/// Writes 4 KiB over a file that is there and waits until the disk has them, a thousand times a second: the time below which
/// these shares of the writes stay, in microseconds.
pub fn disk(folder: &Path, time: Duration, shares: [f64; 2]) -> Result<[f64; 2]> {
    let path = folder.join("probe");
    let file = File::create(&path)?;
    file.write_all_at(&vec![1; 4 << 20], 0)?;
    file.sync_all()?;
    let page = [2; 4_096];
    let mut took = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let at = Instant::now();
        file.write_all_at(&page, (took.len() as u64 % 1_024) * 4_096)?;
        file.sync_data()?;
        took.push(at.elapsed());
        std::thread::sleep(Duration::from_millis(1).saturating_sub(at.elapsed()));
    }
    std::fs::remove_file(path)?;
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(shares.map(at))
}

/// Waits up to ten seconds until the machine is idle to 85 in a hundred.
pub fn settle() -> Result<()> {
    let mut stat = File::open("/proc/stat")?;
    let mut read = || -> Result<(u64, u64)> {
        let mut text = String::new();
        stat.seek(SeekFrom::Start(0))?;
        stat.read_to_string(&mut text)?;
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().filter_map(|text| text.parse().ok()).collect();
        Ok((ticks.iter().take(7).sum(), ticks.iter().skip(3).take(2).sum()))
    };
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let before = read()?;
        std::thread::sleep(Duration::from_millis(250));
        let after = read()?;
        let (all, idle) = (after.0 - before.0, after.1 - before.1);
        if all > 0 && idle * 100 >= all * 85 {
            break;
        }
    }
    std::io::stdout().flush()?;
    Ok(())
}

/// The machine, as far as the figures depend on it.
pub fn conditions() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = processor.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "{profile} build, {processors} x {model}, Linux {}, load {}",
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").trim()
    )
}
