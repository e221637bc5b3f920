//! The executors by name.

/// What runs a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExecutorKind {
    /// A Tekton `PipelineRun` in a Kubernetes cluster.
    Tekton,
    /// Process groups on the server's own host; trusted code only.
    Local,
}

impl ExecutorKind {
    /// All of them; a new service gets the first that its server has.
    pub const ALL: [Self; 2] = [Self::Tekton, Self::Local];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tekton => "tekton",
            Self::Local => "local",
        }
    }

    /// Whether its runs go on when the server dies, so that the next one attaches to them again.
    pub const fn survives_restart(self) -> bool {
        match self {
            Self::Tekton => true,
            Self::Local => false,
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Some of the executors, such as those that a server has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExecutorSet([bool; ExecutorKind::ALL.len()]);

impl ExecutorSet {
    /// Whether this one is among them.
    pub const fn has(self, kind: ExecutorKind) -> bool {
        self.0[kind as usize]
    }

    /// Those that are among them, in the order of [`ExecutorKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ExecutorKind> {
        ExecutorKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<ExecutorKind> for ExecutorSet {
    fn from_iter<I: IntoIterator<Item = ExecutorKind>>(kinds: I) -> Self {
        let mut set = Self::default();
        for kind in kinds {
            set.0[kind as usize] = true;
        }
        set
    }
}
