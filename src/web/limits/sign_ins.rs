//! Passwords at the door: how often they may be tried, and how many are hashed at once.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::actions::{self, Context};
use crate::db::audit::Actor;
use crate::db::{self, operators, sessions};
use crate::domain::{Password, PasswordHash, Timestamp, Who};
use crate::web::error::Error;

/// Wrong passwords are counted for so long from the first one on.
const WINDOW: Duration = Duration::from_mins(1);
/// Tries from one address in that time.
const PER_ADDRESS: u32 = 5;
/// Tries of one name in that time: more than one person mistypes, fewer than a guess needs.
const PER_NAME: u32 = 10;
/// Tries in all in that time.
const IN_ALL: u32 = 30;
/// Passwords hashed at once; each takes 19 MiB and one core.
const HASHES_AT_ONCE: usize = 2;
/// Longest name that is remembered, in characters; no operator has a longer one.
const NAME_MAX: usize = 58;
/// Most pairs of name and address that are remembered; all are forgotten beyond.
const MAX_KNOWN: usize = 1_000;
/// Counts that are kept before those that have passed are thrown away.
const SWEEP_AT: usize = 100;

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    All,
    Address(IpAddr),
    Name(String),
}

impl Key {
    fn limit(&self) -> u32 {
        match self {
            Self::All => IN_ALL,
            Self::Address(_) => PER_ADDRESS,
            Self::Name(_) => PER_NAME,
        }
    }
}

/// Tries since the first of them.
#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    since: Timestamp,
}

impl Tries {
    fn has_passed(self, now: Timestamp) -> bool {
        // A clock that was put back must not keep anybody out for longer.
        now < self.since || now.since(self.since) >= WINDOW
    }
}

/// Who tries a password, and for whom.
pub(in crate::web) struct Try<'a> {
    /// The name of the operator.
    pub(in crate::web) name: &'a str,
    /// Where the request came from.
    pub(in crate::web) address: Option<IpAddr>,
    /// Who is signed in there, for the audit; a stranger at the sign-in page.
    pub(in crate::web) who: Who,
}

/// What a try showed.
pub(in crate::web) enum Tried {
    /// It is the password; this is the hash that it was compared with.
    Right(PasswordHash),
    /// It is not, or nobody has that name. So many tries are left.
    Wrong { left: u32 },
    /// Not looked at: too many were wrong. So long until the next.
    TooMany(Duration),
}

/// Shared by all requests.
pub(in crate::web) struct SignIns {
    tries: Mutex<HashMap<Key, Tries>>,
    /// Who has signed in from where since the process began.
    known: Mutex<HashSet<(String, IpAddr)>>,
    hashes: Arc<Semaphore>,
}

impl SignIns {
    pub(in crate::web) fn new() -> Self {
        Self {
            tries: Mutex::default(),
            known: Mutex::default(),
            hashes: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
        }
    }

    /// Counts a try before it is looked at, so that tries at the same time count too; gives how many are left.
    fn count(&self, keys: &[Key], now: Timestamp) -> Result<u32, Duration> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if tries.len() >= SWEEP_AT {
            tries.retain(|_, own| !own.has_passed(now));
        }
        let present = |tries: &HashMap<Key, Tries>, key: &Key| {
            let own = tries.get(key).copied().filter(|own| !own.has_passed(now));
            own.unwrap_or(Tries { count: 0, since: now })
        };
        let full =
            keys.iter().map(|key| (key, present(&tries, key))).find(|(key, own)| own.count >= key.limit());
        if let Some((_, own)) = full {
            return Err(WINDOW.saturating_sub(now.since(own.since)));
        }
        let mut left = u32::MAX;
        for key in keys {
            let own = present(&tries, key);
            left = left.min(key.limit() - own.count - 1);
            tries.insert(key.clone(), Tries { count: own.count + 1, ..own });
        }
        Ok(left)
    }

    /// What a try counts for. Guesses of others keep nobody out of where they have signed in from before: there the
    /// address alone counts.
    fn keys(&self, name: &str, address: Option<IpAddr>, begun_from: &[String]) -> Vec<Key> {
        let of_address = address.map(network);
        let is_known = of_address.is_some_and(|own| {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let sessions = begun_from.iter().filter_map(|from| from.parse().ok());
            known.contains(&(name.to_owned(), own)) || sessions.map(network).any(|from| from == own)
        });
        let mut keys = if is_known { Vec::new() } else { vec![Key::All, Key::Name(name.to_owned())] };
        keys.extend(of_address.map(Key::Address));
        keys
    }

    fn remember(&self, name: &str, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert((name.to_owned(), network(address)));
    }

    /// A right password takes its try back, and forgets the wrong ones before it of the same name and address.
    fn forgive(&self, keys: &[Key]) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            match (key, tries.get_mut(key)) {
                (Key::All, Some(own)) => own.count = own.count.saturating_sub(1),
                (Key::All, None) => {}
                _ => drop(tries.remove(key)),
            }
        }
    }

    /// Hashes a new password, in its turn and on a thread of its own.
    pub(in crate::web) async fn hash(&self, password: Password) -> Result<PasswordHash, Error> {
        self.in_turn(move || password.hash()).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let ended = |error: &dyn std::error::Error| {
            Error::internal(format_args!("a password was not hashed: {error}"))
        };
        let turn = Arc::clone(&self.hashes).acquire_owned().await.map_err(|error| ended(&error))?;
        // The turn goes along: a caller who leaves does not make room for a third hash.
        let work = move || {
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| ended(&error))
    }
}

/// Looks whether this is the operator's password. A name that nobody has costs and answers the same as a wrong
/// password.
///
/// # Errors
/// Where the database cannot be read.
pub(in crate::web) async fn try_password(
    sign_ins: &SignIns,
    context: &Context,
    Try { name, address, who }: Try<'_>,
    password: Password,
) -> Result<Tried, Error> {
    let name: String = name.chars().take(NAME_MAX).collect();
    let own = name.clone();
    let found = context.db().core().read(move |reader| {
        Ok::<_, db::Error>((operators::password(reader, &own)?, sessions::addresses_of(reader, &own)?))
    });
    let (hash, begun_from) = found.await?;
    let keys = sign_ins.keys(&name, address, &begun_from);
    let left = match sign_ins.count(&keys, context.clock().now()) {
        Ok(left) => left,
        Err(wait) => {
            tracing::info!("too many wrong passwords; this one was not checked");
            return Ok(Tried::TooMany(wait));
        }
    };
    let found = sign_ins.in_turn(move || password.is(hash.as_ref()).then_some(hash).flatten()).await?;
    let Some(hash) = found else {
        tracing::info!(left, "a name or password was wrong");
        let from = address.map_or_else(|| "socket".to_owned(), |address| address.to_string());
        let actor = Actor { who, address: from };
        context
            .run(move |tx, context| actions::sessions::refuse(tx, &actor, &name, context.clock().now()))
            .await?;
        return Ok(Tried::Wrong { left });
    };
    sign_ins.forgive(&keys);
    sign_ins.remember(&name, address);
    Ok(Tried::Right(hash))
}

/// What one holder of addresses has of them: of IPv6 the first half.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_795_530_649_120);

    fn keys(address: &str, name: &str) -> [Key; 3] {
        [Key::All, Key::Name(name.to_owned()), Key::Address(network(address.parse().unwrap()))]
    }

    #[test]
    fn an_address_has_five_tries_a_minute() {
        let sign_ins = SignIns::new();
        let own = keys("192.0.2.1", "mira");

        let left: Vec<_> = (0..5).map(|_| sign_ins.count(&own, T0).unwrap()).collect();

        let later = T0.plus(Duration::from_secs(20));
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert_eq!(sign_ins.count(&own, later), Err(Duration::from_secs(40)));
        assert_eq!(sign_ins.count(&keys("192.0.2.2", "mira"), later), Ok(4));
        assert_eq!(sign_ins.count(&own, T0.plus(WINDOW)), Ok(4));
    }

    #[test]
    fn a_name_and_all_together_have_more_tries_from_many_addresses() {
        let sign_ins = SignIns::new();
        let from = |at: u32, name: &str| sign_ins.count(&keys(&format!("192.0.2.{at}"), name), T0);

        let of_name = (0..20).filter(|at| from(*at, "mira").is_ok()).count();
        let of_all = (20..70).filter(|at| from(*at, &format!("name {at}")).is_ok()).count();

        assert_eq!((of_name, of_all), (10, 20));
    }

    #[test]
    fn neighbours_in_one_ipv6_network_share_their_tries() {
        let sign_ins = SignIns::new();

        let taken = (0..9).filter(|at| sign_ins.count(&keys(&format!("2001:db8::{at}"), "mira"), T0).is_ok());

        assert_eq!(taken.count(), 5);
        assert!(sign_ins.count(&keys("2001:db8:0:1::1", "mira"), T0).is_ok());
    }

    #[test]
    fn a_right_password_forgets_the_wrong_ones_before_it() {
        let sign_ins = SignIns::new();
        let own = keys("192.0.2.1", "mira");
        for _ in 0..100 {
            assert_eq!(sign_ins.count(&own, T0), Ok(4));
            sign_ins.forgive(&own);
        }
    }

    #[test]
    fn guesses_of_others_keep_nobody_out_of_where_they_have_signed_in_from() {
        let sign_ins = SignIns::new();
        let at = |text: &str| Some(text.parse().unwrap());
        sign_ins.remember("mira", at("2001:db8::1"));
        let keys = |name: &str, from: &str| sign_ins.keys(name, at(from), &["198.51.100.7".to_owned()]).len();

        assert_eq!([keys("mira", "2001:db8::9"), keys("mira", "198.51.100.7")], [1, 1]);
        assert_eq!([keys("mira", "192.0.2.1"), keys("theo", "2001:db8::1")], [3, 3]);
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_nobody_out() {
        let sign_ins = SignIns::new();
        let own = keys("192.0.2.1", "mira");
        while sign_ins.count(&own, T0).is_ok() {}

        assert!(sign_ins.count(&own, T0.minus(Duration::from_hours(1))).is_ok());
    }

    #[test]
    fn what_has_passed_is_forgotten() {
        let sign_ins = SignIns::new();
        for at in 0..500_u64 {
            let now = T0.plus(WINDOW * 2 * u32::try_from(at).unwrap());
            sign_ins.count(&keys("192.0.2.1", &at.to_string()), now).unwrap();
        }

        assert!(sign_ins.tries.lock().unwrap().len() <= SWEEP_AT + 3);
    }
}
