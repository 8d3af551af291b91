//! What no public source says of IIS, as far as it concerns serving: the lab's switches, and the facts that the web server
//! alone has a use for, which stand under `[serve]` of `lab.toml` by the same names and answers of `facts.toml`.

use std::time::Duration;

use serde::Deserialize;

use super::change::Reactions;
use super::exchange::HangUp;
use super::filter::Plus;
use super::params::{ChunkedLength, Habits, NonAscii, RequestUri};
use super::process::Channel;
use super::registered::FullPath;
use crate::config::RemoveAbsent;
use crate::lab::Settings;
use crate::switches::{Blanks, Case, Delay, Edited, InFlight, Processes, SwitchProcesses, Variables};

/// One value for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behaviour {
    pub reactions: Reactions,
    /// How long after a change of `applicationHost.config` it counts.
    pub delay: Duration,
    pub are_processes_shared: bool,
    pub full_path: FullPath,
    pub plus: Plus,
    pub remove_absent: RemoveAbsent,
    pub habits: Habits,
    pub hang_up: HangUp,
    /// Whether an answer streams when `responseBufferLimit` is 0.
    pub streams: bool,
    pub channel: Channel,
}

/// Which parameters hold the whole path, with a handler for `*`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WholePath {
    #[default]
    Both,
    PathInfo,
    ScriptName,
    Neither,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RemoteUser {
    #[default]
    Empty,
    Absent,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Streamed {
    #[default]
    AtOnce,
    HeldBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Filter {
    Passed,
    Refused,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PipeEnd {
    #[default]
    Server,
    Client,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PipeHandle {
    Overlapped,
    #[default]
    Synchronous,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PipeConnected {
    Connected,
    #[default]
    NotYet,
}

/// The facts under `[serve]`. Where nothing is said, what responders that work behind IIS rely on counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Facts {
    #[serde(rename = "params.path")]
    whole_path: WholePath,
    #[serde(rename = "params.non-ascii")]
    non_ascii: NonAscii,
    #[serde(rename = "params.request-uri")]
    request_uri: RequestUri,
    #[serde(rename = "params.chunked-length")]
    chunked_length: ChunkedLength,
    #[serde(rename = "params.remote-user")]
    remote_user: RemoteUser,
    #[serde(rename = "request.hang-up")]
    hang_up: HangUp,
    #[serde(rename = "answer.streamed")]
    streamed: Streamed,
    #[serde(rename = "filter.plus")]
    plus: Filter,
    #[serde(rename = "filter.percent-2b")]
    encoded_plus: Filter,
    #[serde(rename = "pipe.end")]
    pipe_end: PipeEnd,
    #[serde(rename = "pipe.handle")]
    pipe_handle: PipeHandle,
    #[serde(rename = "pipe.connected")]
    pipe_connected: PipeConnected,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            whole_path: WholePath::default(),
            non_ascii: NonAscii::default(),
            request_uri: RequestUri::default(),
            chunked_length: ChunkedLength::default(),
            remote_user: RemoteUser::default(),
            hang_up: HangUp::default(),
            streamed: Streamed::default(),
            // The stricter answers: what is written for them works with the others.
            plus: Filter::Refused,
            encoded_plus: Filter::Refused,
            pipe_end: PipeEnd::default(),
            pipe_handle: PipeHandle::default(),
            pipe_connected: PipeConnected::default(),
        }
    }
}

impl Behaviour {
    /// As the lab's settings have it.
    pub fn of(settings: &Settings) -> Result<Behaviour, toml::de::Error> {
        let facts: Facts = settings.serve.clone().try_into()?;
        let switches = settings.switches;
        Ok(Behaviour {
            reactions: Reactions {
                edit_restarts_itself: switches.edit_itself == Edited::Restarted,
                edit_restarts_others: switches.edit_others == Edited::Restarted,
                switch_recycles: switches.switch_processes == SwitchProcesses::Restarted,
                switch_breaks: switches.switch_in_flight == InFlight::Broken,
            },
            delay: match switches.switch_delay {
                Delay::AtOnce => Duration::ZERO,
                Delay::Later => Duration::from_millis(settings.timing.later),
            },
            are_processes_shared: switches.sites_processes == Processes::Shared,
            full_path: FullPath {
                is_case_compared: switches.full_path_case == Case::Compared,
                are_variables_expanded: switches.full_path_variables == Variables::Expanded,
                bare_blanks: matches!(switches.full_path_blanks, Blanks::Bare | Blanks::Both),
                quoted_blanks: matches!(switches.full_path_blanks, Blanks::Quoted | Blanks::Both),
            },
            plus: Plus {
                is_refused: facts.plus == Filter::Refused,
                encoded_is_refused: facts.encoded_plus == Filter::Refused,
            },
            remove_absent: switches.remove_absent(),
            habits: Habits {
                script_name: matches!(facts.whole_path, WholePath::Both | WholePath::ScriptName),
                path_info: matches!(facts.whole_path, WholePath::Both | WholePath::PathInfo),
                non_ascii: facts.non_ascii,
                request_uri: facts.request_uri,
                chunked_length: facts.chunked_length,
                remote_user: facts.remote_user == RemoteUser::Empty,
            },
            hang_up: facts.hang_up,
            streams: facts.streamed == Streamed::AtOnce,
            channel: Channel {
                is_server_end: facts.pipe_end == PipeEnd::Server,
                is_overlapped: facts.pipe_handle == PipeHandle::Overlapped,
                is_connected: facts.pipe_connected == PipeConnected::Connected,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct File {
        fact: Vec<Fact>,
    }

    #[derive(Deserialize)]
    struct Fact {
        id: String,
        answers: Vec<String>,
    }

    #[test]
    fn each_answer_of_a_fact_about_serving_makes_a_difference() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../facts.toml");
        let file: File = toml::from_str(&fs_err::read_to_string(file).unwrap()).unwrap();
        let of = |section: &str, id: &str, answer: &str| {
            let text = format!("[{section}]\n\"{id}\" = \"{answer}\"\n");
            toml::from_str::<Settings>(&text).and_then(|settings| Behaviour::of(&settings))
        };
        let mut asked = 0;
        for Fact { id, answers } in file.fact {
            if toml::from_str::<Settings>(&format!("[serve]\n\"{id}\" = 'x'")).is_ok()
                && of("serve", &id, "x").unwrap_err().message().starts_with("unknown field")
            {
                continue;
            }
            asked += 1;
            // What a server answers beyond the known answers nobody can play.
            let known = answers
                .iter()
                .filter(|answer| !["something-else", "a-name", "the-length"].contains(&&***answer));
            let behaviours: Vec<_> = known.map(|answer| of("serve", &id, answer).unwrap()).collect();
            for (at, behaviour) in behaviours.iter().enumerate() {
                assert!(!behaviours[..at].contains(behaviour), "{id}: {:?}", answers[at]);
            }
        }
        assert_eq!(asked, 12);
    }
}
