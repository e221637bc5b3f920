//! The file that declares services, hooks and targets, read into the shapes of the API. Names are written with `_` in it,
//! and variables and secrets in files of their own where they are named.

mod target;

use std::path::Path;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::failure::Failure;
use crate::cli::service_fields::read_env;
use crate::wire::Change;
use crate::wire::hook::HookBody;
use crate::wire::read::{self, Shape};
use crate::wire::service::{Pairs, ServiceBody, TektonFields};

pub(super) use target::DeclaredTarget;

/// What a file declares.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) services: Vec<DeclaredService>,
    /// Targets that stand outside of any service.
    pub(super) targets: Vec<DeclaredTarget>,
}

/// A service as the file declares it.
#[derive(Debug)]
pub(super) struct DeclaredService {
    pub(super) name: String,
    pub(super) body: ServiceBody,
    pub(super) hooks: Vec<DeclaredHook>,
    pub(super) targets: Vec<DeclaredTarget>,
}

/// A hook as the file declares it.
#[derive(Debug)]
pub(super) struct DeclaredHook {
    pub(super) name: String,
    pub(super) body: HookBody,
}

impl Declared {
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.targets.is_empty()
    }
}

/// Reads the file; `folder` is where it lies, `shown` what it is called. Everything that is wrong with it is told.
pub(super) fn read(text: &str, shown: &str, folder: &Path) -> Result<Declared, Failure> {
    let root = DeTable::parse(text)
        .map_err(|error| Failure::usage(format!("{shown}: {}", error.to_string().trim_end())))?;
    let mut file = DeclaringFile { text, folder, faults: Vec::new() };
    let is_known = |name: &str| ["service", "target"].contains(&name);
    for (name, _) in root.get_ref().iter().filter(|(name, _)| !is_known(name.get_ref())) {
        file.unknown(name.span().start, name.get_ref());
    }
    let tables = file.tables(root.get_ref(), "service");
    let services: Vec<_> = tables.into_iter().filter_map(|table| file.service(table).transpose()).collect();
    let services = services.into_iter().collect::<Result<_, _>>()?;
    let targets = file.targets(root.get_ref(), None);
    match file.told() {
        None => Ok(Declared { services, targets }),
        Some(told) => Err(Failure::usage(format!("{shown}: {told}"))),
    }
}

/// Where a table begins in the file, and what is in it.
type Table<'t, 'a> = (usize, &'t DeTable<'a>);

struct DeclaringFile<'f> {
    text: &'f str,
    folder: &'f Path,
    /// Each with the place that it is about.
    faults: Vec<(usize, String)>,
}

impl DeclaringFile<'_> {
    /// A service; none where something is wrong with it, which is kept. An error is that of its file of variables.
    fn service(&mut self, table: Table<'_, '_>) -> Result<Option<DeclaredService>, Failure> {
        let hooks = self.tables(table.1, "hook");
        let hooks: Vec<_> = hooks.into_iter().filter_map(|hook| self.hook(hook)).collect();
        let env_file = self.env_file(table.1);
        let is_image_only = self.is_image_only(table.1);
        // A text of that name is a stage of the Dockerfile.
        let has_targets = table.1.get("target").is_some_and(|value| value.get_ref().as_array().is_some());
        let mut own = vec!["hook", "env_file", "image_only"];
        own.extend(has_targets.then_some("target"));
        let body = self.shape::<ServiceBody>(table, &own, &["name"]);
        let name = table.1.get("name").and_then(|name| name.get_ref().as_str()).unwrap_or_default();
        let targets = if has_targets { self.targets(table.1, Some(name)) } else { Vec::new() };
        let Some(mut body) = body else { return Ok(None) };
        let Some(name) = body.name.clone() else { return Ok(None) };
        if is_image_only {
            body.repository = Change::Empty;
        }
        let mut env = match env_file {
            Some(file) => read_env(&self.folder.join(file))?,
            None => Pairs::new(),
        };
        env.extend(body.local.env.take().unwrap_or_default());
        body.local.env = Some(env).filter(|env| !env.is_empty());
        let TektonFields { build_args, build_secrets, resources, .. } = &mut body.tekton;
        for pairs in [build_args, build_secrets, resources] {
            if pairs.value().is_some_and(Pairs::is_empty) {
                *pairs = Change::Keep;
            }
        }
        Ok(Some(DeclaredService { name, body, hooks, targets }))
    }

    fn hook(&mut self, table: Table<'_, '_>) -> Option<DeclaredHook> {
        let body = self.shape::<HookBody>(table, &[], &["name"])?;
        // A length of time from now would be another moment each time.
        if body.expires_in.is_some() {
            self.unknown(place_of(table, "expires_in"), "expires_in");
        }
        Some(DeclaredHook { name: body.name.clone()?, body })
    }

    /// Reads a table but for the names in `own`; one that has not what is `needed` is at fault.
    fn shape<T: Shape>(&mut self, table: Table<'_, '_>, own: &[&str], needed: &[&str]) -> Option<T> {
        let faults_before = self.faults.len();
        let mut fields = Map::new();
        for (name, value) in table.1.iter().filter(|(name, _)| !own.contains(&name.get_ref().as_ref())) {
            if name.get_ref().contains(|c: char| c.is_ascii_uppercase()) {
                self.unknown(name.span().start, name.get_ref());
            } else {
                fields.insert(camel_case(name.get_ref()), json(value));
            }
        }
        for missing in needed.iter().filter(|name| !fields.contains_key(**name)) {
            self.missing(table, missing);
        }
        let read = read::declared::<T>(fields);
        for fault in read.faults {
            let name = snake_case(&fault.field);
            let first = name.split('.').next().unwrap_or_default();
            self.faults.push((place_of(table, first), format!("{name}: {}", fault.detail)));
        }
        for name in read.unknown {
            let name = snake_case(&name);
            self.unknown(place_of(table, &name), &name);
        }
        (self.faults.len() == faults_before).then_some(read.shape)
    }

    fn env_file(&mut self, table: &DeTable<'_>) -> Option<String> {
        self.text_of(table, "env_file")
    }

    /// Whether there is no repository, which the format has no word for.
    fn is_image_only(&mut self, table: &DeTable<'_>) -> bool {
        let Some(value) = table.get("image_only") else { return false };
        let is_true = matches!(value.get_ref(), DeValue::Boolean(true));
        if !is_true || table.contains_key("repository") {
            let fault = "image_only: must be true, in place of repository; leave it out otherwise";
            self.faults.push((value.span().start, fault.to_owned()));
        }
        is_true
    }

    fn text_of(&mut self, table: &DeTable<'_>, name: &str) -> Option<String> {
        let value = table.get(name)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.faults.push((value.span().start, format!("{name}: must be a text")));
        }
        text
    }

    /// The tables of a list, `[[name]]`.
    fn tables<'t, 'a>(&mut self, table: &'t DeTable<'a>, name: &str) -> Vec<Table<'t, 'a>> {
        let Some(list) = table.get(name) else { return Vec::new() };
        let items = list.get_ref().as_array();
        let tables: Option<Vec<_>> = items.and_then(|items| {
            items.iter().map(|item| Some((item.span().start, item.get_ref().as_table()?))).collect()
        });
        if tables.is_none() {
            self.faults.push((list.span().start, format!("{name}: must be tables, each under [[…{name}]]")));
        }
        tables.unwrap_or_default()
    }

    fn missing(&mut self, table: Table<'_, '_>, name: &str) {
        self.faults.push((table.0, format!("missing field `{name}`")));
    }

    fn unknown(&mut self, place: usize, name: &str) {
        self.faults.push((place, format!("unknown field `{name}`")));
    }

    /// All faults in the order of the file, each with its line.
    fn told(mut self) -> Option<String> {
        self.faults.sort_by_key(|(place, _)| *place);
        let line = |place: usize| self.text[..place].matches('\n').count() + 1;
        let told = self.faults.iter().map(|(place, fault)| format!("line {}: {fault}", line(*place)));
        Some(told.collect::<Vec<_>>().join("\n  ")).filter(|told| !told.is_empty())
    }
}

/// Where a name of a table stands; the table itself where it has no such name.
fn place_of((begin, table): Table<'_, '_>, name: &str) -> usize {
    table.get_key_value(name).map_or(begin, |(key, _)| key.span().start)
}

fn json(value: &Spanned<DeValue<'_>>) -> Value {
    Value::deserialize(value.clone().into_deserializer()).unwrap_or_default()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

/// The API's name of a setting as the file spells it.
pub(super) fn snake_case(name: &str) -> String {
    // The rest is the name of a variable, which is written as it is.
    if name.starts_with("env.") {
        return name.to_owned();
    }
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Vec<DeclaredService>, String> {
        let read = super::read(text, "s.toml", Path::new("/nowhere"));
        read.map(|declared| declared.services).map_err(|failure| failure.text)
    }

    #[test]
    fn tables_are_the_shapes_of_the_api_in_other_letters() {
        let services = read(
            "[[service]]\nname = 'shop'\ndefault_branch = 'main'\nworkloads = ['apps/shop']\nrollback = false\n\
             env = { KEY_ONE = 'v' }\nbuild_args = { }\n[[service.hook]]\nname = 'ci'\nexpires_at = '2027'\n",
        )
        .unwrap();

        assert_eq!(
            serde_json::to_value(&services[0].body).unwrap(),
            json!({"name": "shop", "defaultBranch": "main", "env": {"KEY_ONE": "v"}, "workloads": ["apps/shop"], "rollback": false})
        );
        let hook = &services[0].hooks[0];
        assert_eq!(serde_json::to_value(&hook.body).unwrap(), json!({"name": "ci", "expiresAt": "2027"}));
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let told = read(
            "serivce = 1\n[[service]]\nname = 7\ndefaultBranch = 'x'\nfrozen = 'why'\nworkloads = 'shop'\n\
             env = { A = 1 }\n[[service.hook]]\nbranches = 'main'\nexpires_in = '1d'\n",
        )
        .unwrap_err();

        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        assert_eq!(lines[0], "s.toml: line 1: unknown field `serivce`");
        assert_eq!(lines[1], "line 3: name: must be a text, not a number");
        assert_eq!(lines[2], "line 4: unknown field `defaultBranch`");
        assert_eq!(lines[3], "line 5: unknown field `frozen`");
        assert_eq!(lines[4], "line 6: workloads: must be a list of texts, not a text");
        assert_eq!(lines[5], "line 7: env: must be an object of names and texts, not an object");
        assert_eq!(lines[6], "line 8: missing field `name`");
        assert_eq!(lines[7], "line 9: branches: must be a list of texts, not a text");
    }

    #[test]
    fn names_are_spelled_in_both_ways() {
        for (file, api) in
            [("git_ssh_key_file", "gitSshKeyFile"), ("url", "url"), ("build_args", "buildArgs")]
        {
            assert_eq!((camel_case(file).as_str(), snake_case(api).as_str()), (api, file));
        }
        assert_eq!(snake_case("env.KEY"), "env.KEY");
    }
}
