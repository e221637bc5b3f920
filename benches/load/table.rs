//! The table: what was found, against which goal.

use std::fmt;

use serde_json::{Value, json};

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(value) => f.pad(&format!(">= {value}")),
            Self::AtMost(value) => f.pad(&format!("<= {value}")),
        }
    }
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Reached,
    /// Within 15 in a hundred.
    Near,
    FarOff,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reached => "reached",
            Self::Near => "near",
            Self::FarOff => "not reached",
        })
    }
}

/// One line of the table.
pub struct Row {
    pub id: &'static str,
    pub what: String,
    pub goal: Goal,
    /// One figure a round.
    pub rounds: Vec<f64>,
}

impl Row {
    pub fn median(&self) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn verdict(&self) -> Verdict {
        let share = match self.goal {
            Goal::AtLeast(goal) => self.median() / goal,
            Goal::AtMost(goal) => goal / self.median(),
        };
        match share {
            share if share >= 1.0 => Verdict::Reached,
            share if share >= 0.85 => Verdict::Near,
            _ => Verdict::FarOff,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: f64| match value.abs() {
            size if size >= 100.0 => format!("{value:.0}"),
            size if size >= 1.0 => format!("{value:.2}"),
            _ => format!("{value:.3}"),
        };
        let (min, max) =
            self.rounds.iter().fold((f64::MAX, f64::MIN), |(min, max), &one| (min.min(one), max.max(one)));
        let spread = format!("{} to {}", short(min), short(max));
        let median = short(self.median());
        write!(
            f,
            "{:<5} {:<58} {:>12} {median:>12} {spread:>16}  {}",
            self.id,
            self.what,
            self.goal,
            self.verdict()
        )
    }
}

/// What was found, by row.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds the figure of a round.
    pub fn note(&mut self, id: &'static str, what: &str, goal: Goal, value: f64) {
        match self.0.iter_mut().find(|row| row.id == id && row.what == what) {
            Some(row) => row.rounds.push(value),
            None => self.0.push(Row { id, what: what.to_owned(), goal, rounds: vec![value] }),
        }
    }

    pub fn is_far_off(&self) -> bool {
        self.0.iter().any(|row| row.verdict() == Verdict::FarOff)
    }

    pub fn to_json(&self) -> Value {
        let json = |row: &Row| {
            json!({ "id": row.id, "what": row.what, "goal": row.goal.to_string(), "median": row.median(),
                "rounds": row.rounds, "verdict": row.verdict().to_string() })
        };
        self.0.iter().map(json).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<5} {:<58} {:>12} {:>12} {:>16}  verdict", "", "", "goal", "median", "min to max")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
