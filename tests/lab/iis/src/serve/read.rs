//! The model of a configuration: its sites, pools and FastCGI applications, with what runs of them, and their paths as
//! they are on this machine.

use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(not(windows))]
use super::command_line;
use super::model::{Application, Binding, Folder, Model, Pool, Site, StderrMode};
use super::process::Words;
use super::registered::bare;
use crate::config::{self, Config};
use crate::lab::Paths;
use crate::runtime::{Runtime, State};

pub fn model(config: &Config, runtime: &Runtime, paths: &Paths) -> Model {
    let applications = config.fastcgi_applications().into_iter();
    Model {
        sites: config.sites().iter().map(|found| site(found, runtime, paths)).collect(),
        pools: pools(config, runtime),
        applications: applications.map(|found| application(found, paths)).collect(),
    }
}

fn site(found: &config::Site, runtime: &Runtime, paths: &Paths) -> Site {
    let folders = found.applications.iter().flat_map(|application| {
        let mount = application.path.trim_end_matches('/');
        application.virtual_directories.iter().map(move |directory| Folder {
            application: application.path.clone(),
            pool: application.pool.to_lowercase(),
            path: format!("{mount}{}", directory.path.trim_end_matches('/')),
            physical_path: paths.expanded(&directory.physical_path),
            place: paths.located(&directory.physical_path),
            allow_sub_dir_config: directory.allow_sub_dir_config,
        })
    });
    Site {
        name: found.name.clone(),
        id: found.id,
        is_started: runtime.site(found) == State::Started,
        bindings: found.bindings.iter().filter_map(binding).collect(),
        folders: folders.collect(),
    }
}

/// `address:port:host`; an IPv6 address in brackets has colons of its own.
fn binding(found: &config::Binding) -> Option<Binding> {
    let https = match &*found.protocol {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let (rest, host) = found.information.rsplit_once(':')?;
    let (address, port) = rest.rsplit_once(':')?;
    let address = if address.is_empty() { "*" } else { address };
    Some(Binding { https, address: address.to_owned(), port: port.parse().ok()?, host: host.to_owned() })
}

/// By their names in small letters: IIS doesn't tell cases apart.
fn pools(config: &Config, runtime: &Runtime) -> BTreeMap<String, Pool> {
    let pools = config.pools().into_iter().map(|found| {
        let pool = Pool {
            is_started: runtime.pool(&found) == State::Started,
            recycles: runtime.recycled(&found.name),
            settings: match found.disallow_rotation_on_config_change {
                true => String::new(),
                false => rotating(&found),
            },
            environment: found.environment,
            name: found.name,
        };
        (pool.name.to_lowercase(), pool)
    });
    pools.collect()
}

/// Settings that a worker is started with.
fn rotating(pool: &config::Pool) -> String {
    format!(
        "{} {} {} {} {} {} {} {}",
        pool.managed_runtime_version,
        pool.managed_pipeline_mode,
        pool.max_processes,
        pool.idle_timeout,
        pool.identity_type,
        pool.user_name,
        pool.load_user_profile,
        pool.periodic_restart
    )
}

fn application(found: config::FastCgiApplication, paths: &Paths) -> Application {
    let seconds = |number: u32| Duration::from_secs(number.into());
    let monitored = Some(found.monitor_changes_to).filter(|file| !file.is_empty());
    Application {
        program: paths.located(bare(&found.full_path)),
        words: words(&found.arguments, paths),
        full_path: found.full_path,
        arguments: found.arguments,
        environment: found.environment,
        monitor_changes_to: monitored.map(|file| paths.located(&file)),
        stderr_mode: match &*found.stderr_mode {
            "ReturnGeneric500" => StderrMode::ReturnGeneric500,
            "IgnoreAndReturn200" => StderrMode::IgnoreAndReturn200,
            "TerminateProcess" => StderrMode::TerminateProcess,
            _ => StderrMode::ReturnStdErrIn500,
        },
        max_instances: match found.max_instances {
            // IIS chooses by load; here it is as many as a small server has cores.
            0 => 4,
            number => number as usize,
        },
        idle_timeout: seconds(found.idle_timeout),
        activity_timeout: seconds(found.activity_timeout),
        request_timeout: seconds(found.request_timeout),
        instance_max_requests: found.instance_max_requests,
        signal_before_terminate: seconds(found.signal_before_terminate_seconds),
        queue_length: found.queue_length as usize,
        rapid_fails: found.rapid_fails_per_minute as usize,
    }
}

#[cfg(windows)]
fn words(arguments: &str, paths: &Paths) -> Words {
    paths.expanded(arguments)
}

/// A word that is a path of Windows is what stands for it here.
#[cfg(not(windows))]
fn words(arguments: &str, paths: &Paths) -> Words {
    let words = command_line::split(&paths.expanded(arguments)).into_iter();
    words.map(|word| paths.located(&word).to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_is_read_whatever_its_address() {
        let read = |information: &str| {
            let binding = config::Binding {
                protocol: "http".to_owned(),
                information: information.to_owned(),
                ssl_flags: 0,
            };
            super::binding(&binding).map(|binding| (binding.address, binding.port, binding.host))
        };
        let is = |address: &str, port, host: &str| Some((address.to_owned(), port, host.to_owned()));
        assert_eq!(read("*:80:"), is("*", 80, ""));
        assert_eq!(read(":81:www.example"), is("*", 81, "www.example"));
        assert_eq!(read("[::1]:8080:h"), is("[::1]", 8080, "h"));
        assert_eq!(read("*:port:"), None);
        assert_eq!(read("net.pipe"), None);
    }

    #[cfg(not(windows))]
    #[test]
    fn paths_among_the_arguments_are_those_of_this_machine() {
        let paths = Paths { drives: [("C:".to_owned(), "/lab/c".into())].into(), ..Paths::default() };
        let words = words(r#"-m x --config "c:\a b\bridge.toml""#, &paths);
        assert_eq!(words, ["-m", "x", "--config", "/lab/c/a b/bridge.toml"]);
    }
}
