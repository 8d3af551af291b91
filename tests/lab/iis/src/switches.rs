//! What no public source tells of IIS, as switches: a question each, by the names of `tests/lab/facts.toml`.
//!
//! The first answer of each is the one that counts when nothing else is said.

use serde::Deserialize;

macro_rules! switch {
    ($(#[$note:meta])* $name:ident { $($(#[$default:meta])* $answer:ident),+ $(,)? }) => {
        $(#[$note])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$default])* $answer),+ }
    };
}

switch! {
    /// Is the case of letters compared between a handler's scriptProcessor and a FastCGI fullPath?
    Case { #[default] Ignored, Compared }
}
switch! {
    /// Are `%VARIABLES%` of fullPath expanded before it is compared with scriptProcessor?
    Variables { #[default] Expanded, Literal }
}
switch! {
    /// How must a fullPath with blanks be written?
    Blanks { #[default] Bare, Quoted, Both, Neither }
}
switch! {
    /// What an edit does to the processes of a FastCGI application.
    Edited { #[default] Restarted, Kept }
}
switch! {
    /// Do two sites of one pool share the processes of a FastCGI application?
    Processes { #[default] Shared, Own }
}
switch! {
    /// Does a change of a site's physicalPath restart its processes?
    SwitchProcesses { #[default] Kept, Restarted }
}
switch! {
    /// Does something hold as soon as appcmd has returned?
    Delay { #[default] AtOnce, Later }
}
switch! {
    /// What becomes of a request that is being answered at a change of physicalPath?
    InFlight { #[default] Finished, Broken }
}
switch! {
    /// Does a new site start by itself?
    Created { #[default] Started, Stopped }
}
switch! {
    /// What becomes of a new site whose binding another one has?
    PortTaken { #[default] Refused, Stopped, Started }
}
switch! {
    /// Is something that may be no error one?
    Outcome { #[default] Fine, Error }
}
switch! {
    /// In which encoding does appcmd write into a pipe?
    Encoding {
        #[default]
        #[serde(rename = "utf-8")]
        Utf8,
        CodePage,
        Lost,
    }
}

/// The answers that count in one lab.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    #[serde(rename = "full-path.case")]
    pub full_path_case: Case,
    #[serde(rename = "full-path.variables")]
    pub full_path_variables: Variables,
    #[serde(rename = "full-path.blanks")]
    pub full_path_blanks: Blanks,
    /// What an edit of its own attributes does to a FastCGI application's processes.
    #[serde(rename = "edit.itself")]
    pub edit_itself: Edited,
    /// What the registration of another FastCGI application does to them.
    #[serde(rename = "edit.others")]
    pub edit_others: Edited,
    #[serde(rename = "sites.processes")]
    pub sites_processes: Processes,
    #[serde(rename = "switch.processes")]
    pub switch_processes: SwitchProcesses,
    /// Whether a new folder is served as soon as appcmd has returned.
    #[serde(rename = "switch.delay")]
    pub switch_delay: Delay,
    #[serde(rename = "switch.in-flight")]
    pub switch_in_flight: InFlight,
    /// Whether a new pool's account can be given rights at once.
    #[serde(rename = "pool.account")]
    pub pool_account: Delay,
    #[serde(rename = "site.created")]
    pub site_created: Created,
    #[serde(rename = "site.port-taken")]
    pub site_port_taken: PortTaken,
    #[serde(rename = "site.start-twice")]
    pub site_start_twice: Outcome,
    #[serde(rename = "site.stop-twice")]
    pub site_stop_twice: Outcome,
    #[serde(rename = "appcmd.encoding")]
    pub appcmd_encoding: Encoding,
    /// How `list` ends when no object has the property asked for.
    #[serde(rename = "appcmd.nothing-found")]
    pub appcmd_nothing_found: Outcome,
    /// Whether `web.config` may remove a MIME type that isn't there.
    #[serde(rename = "config.remove-absent")]
    pub config_remove_absent: Outcome,
}

impl Switches {
    /// The same question as the merging of configurations asks it.
    pub fn remove_absent(&self) -> crate::config::RemoveAbsent {
        match self.config_remove_absent {
            Outcome::Fine => crate::config::RemoveAbsent::Fine,
            Outcome::Error => crate::config::RemoveAbsent::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The facts with their answers, as they stand beside the lab.
    fn facts() -> Vec<(String, Vec<String>)> {
        #[derive(Deserialize)]
        struct Facts {
            fact: Vec<Fact>,
        }
        #[derive(Deserialize)]
        struct Fact {
            id: String,
            answers: Vec<String>,
        }
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../facts.toml");
        let facts: Facts = toml::from_str(&fs_err::read_to_string(file).unwrap()).unwrap();
        facts.fact.into_iter().map(|fact| (fact.id, fact.answers)).collect()
    }

    #[test]
    fn each_answer_of_a_fact_is_one_of_its_switch_and_the_first_is_the_default() {
        let mut found = 0;
        for (id, answers) in facts() {
            let switched = |answer: &String| toml::from_str::<Switches>(&format!("\"{id}\" = \"{answer}\""));
            let first = switched(&answers[0]);
            if first.is_err()
                && switched(&"nonsense".to_owned()).unwrap_err().message().starts_with("unknown field")
            {
                continue;
            }
            found += 1;
            assert_eq!(first.unwrap(), Switches::default(), "{id}");
            for answer in &answers[1..] {
                assert_ne!(switched(answer).unwrap(), Switches::default(), "{id} {answer}");
            }
        }
        assert_eq!(found, 17);
    }
}
