//! The lab's IIS: what stands in for appcmd and for the web server behind it where there is no IIS.
//!
//! It is strict: what the real one refuses, this refuses, with the exit code and the words that public sources report.
//! What no public source tells is a switch, so that whatever relies on it can be tested with each answer.
//!
//! A lab is a folder with `applicationHost.config`; `appcmd-lab init --kind cgi|aspnet [--webdav] FOLDER`, or
//! [`init::init`], makes one. Beside it lie
//!
//! - `lab.toml`: switches, faults, and where paths of Windows lie, written by a test ([`lab`] shows all of it);
//! - `runtime.json`: what is started and stopped, and how often pools got new processes ([`runtime`]);
//! - `commands.jsonl`: every command that appcmd and netsh were given, and how it ended ([`appcmd::records`]);
//! - `certificates` and `sslcert.json`: the store of the machine, and what http.sys shows of it ([`certificates`]);
//! - `redirection.config`, which may lead to a shared configuration, and `backup`.
//!
//! `appcmd` finds its lab by `HOLDALL_LAB_IIS`, else in the folder `config` beside itself, where the real one has it:
//! copied to `%windir%\System32\inetsrv`, it is found as the real one is. A test may also call [`appcmd::run`]; it
//! gives the whole exit code, of which systems but Windows keep eight bits ([`appcmd::exit_code`]).
//!
//! `iis --config FOLDER [--ready-file FILE]` serves what the folder says on the loopback address, a change with the next
//! request ([`serve`]); a test may also start a [`serve::Server`]. It writes
//!
//! - `iis.jsonl`: every request with its status and the process that answered, and every process that starts or ends;
//! - `processes.txt`: what the processes print, on systems but Windows, where IIS gives them nothing to print to;
//! - the workers in `runtime.json`, which `appcmd list wp` shows.
//!
//! `netsh` finds its lab as appcmd does, and knows `http show|add|delete sslcert` ([`netsh`]).
//!
//! Not here are `search`, `reset` and `migrate` of `config`, traces, locks written into a `web.config`, commits above
//! the server, the history of configurations, and passwords that can be read back.

pub mod appcmd;
pub mod certificates;
pub mod config;
mod hold;
pub mod init;
pub mod lab;
pub mod netsh;
pub mod physical;
pub mod runtime;
pub mod schema;
pub mod serve;
pub mod services;
pub mod switches;
pub mod xml;
