//! netsh.exe, of which there is `http show|add|delete sslcert` alone: strict about its words, as the real one is about those
//! that count here. It ends with 1 whatever goes wrong, and says why in the language of the server.

use std::net::SocketAddr;

use crate::appcmd::{Done, fault};
use crate::certificates::Row;
use crate::hold::Hold;
use crate::lab::Lab;

/// Runs one command; in the lab's record it begins with the word `netsh`.
pub fn run(lab: &Lab, args: &[String]) -> Done {
    let argv: Vec<String> = ["netsh".to_owned()].into_iter().chain(args.iter().cloned()).collect();
    let (exit, text) = fault::run_with(lab, &argv, &mut |_| match execute(lab, args) {
        Ok(text) => (0, text),
        Err(text) => (1, text),
    });
    Done { exit, stdout: text.into_bytes() }
}

/// The words of `add`, one of which says where.
#[derive(Default)]
struct Words {
    endpoint: Option<String>,
    certhash: Option<String>,
    appid: Option<String>,
    certstorename: Option<String>,
}

fn execute(lab: &Lab, args: &[String]) -> Result<String, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ["http", verb @ ("show" | "add" | "delete"), "sslcert", tags @ ..] = &words[..] else {
        return Err("\r\nThe following command was not found.\r\n".to_owned());
    };
    let Words { endpoint, certhash, appid, certstorename } = read(tags)?;
    let endpoint = endpoint.ok_or("\r\nThe parameter is incorrect: where?\r\n")?;
    let _held = Hold::wait(&lab.folder.join("sslcert.lock")).map_err(|error| error.to_string())?;
    let mut table = lab.table().map_err(|error| error.to_string())?;
    let done = match (*verb, table.get(&endpoint)) {
        ("show", Some(row)) => return Ok(shown(&endpoint, row)),
        ("show", None) => return Err("\r\nThe system cannot find the file specified.\r\n\r\n".to_owned()),
        ("delete", None) => return Err(failed("deletion", 2)),
        ("delete", Some(_)) => {
            table.remove(&endpoint);
            "\r\nSSL Certificate successfully deleted\r\n\r\n"
        }
        (_, Some(_)) => return Err(failed("add", 183)),
        (_, None) => {
            let (Some(certhash), Some(appid)) = (certhash, appid) else { return Err(failed("add", 87)) };
            // By a host there is no store that goes without saying.
            if endpoint.starts_with("hostnameport=") && certstorename.is_none() {
                return Err(failed("add", 87));
            }
            if lab.certificate(&certhash).is_none() {
                return Err(failed("add", 1312));
            }
            table.insert(endpoint, Row { certhash, appid, certstorename });
            "\r\nSSL Certificate successfully added\r\n\r\n"
        }
    };
    lab.write_table(&table).map_err(|error| error.to_string())?;
    Ok(done.to_owned())
}

fn read(tags: &[&str]) -> Result<Words, String> {
    let mut words = Words::default();
    for tag in tags {
        let wrong = || format!("\r\n{tag} is not a valid argument for this command.\r\n");
        let (name, value) = tag.split_once('=').ok_or_else(wrong)?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let place = match name {
            "ipport" if value.parse::<SocketAddr>().is_ok() => &mut words.endpoint,
            "hostnameport" if value.rsplit_once(':').is_some_and(|(host, port)| is_host(host, port)) => {
                &mut words.endpoint
            }
            "certhash" if value.len() == 40 && is_hex(value) => &mut words.certhash,
            "appid" if value.len() == 38 && value.starts_with('{') && value.ends_with('}') => {
                &mut words.appid
            }
            "certstorename" if !value.is_empty() => &mut words.certstorename,
            _ => return Err(wrong()),
        };
        let value = match name {
            "ipport" | "hostnameport" => format!("{name}={}", value.to_lowercase()),
            "certhash" => value.to_lowercase(),
            _ => value.to_owned(),
        };
        if place.replace(value).is_some() {
            return Err(wrong());
        }
    }
    Ok(words)
}

fn is_host(host: &str, port: &str) -> bool {
    !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn failed(what: &str, error: u32) -> String {
    format!("\r\nSSL Certificate {what} failed, Error: {error}\r\n\r\n")
}

/// As a server in Germany prints it: whoever reads it has to do without the labels.
fn shown(endpoint: &str, row: &Row) -> String {
    let (kind, at) = match endpoint.split_once('=') {
        Some(("ipport", at)) => ("IP:Port", at),
        Some((_, at)) => ("Hostname:Port", at),
        None => ("", endpoint),
    };
    let lines = [
        (kind, at),
        ("Zertifikathash", &row.certhash),
        ("Anwendungs-ID", &row.appid),
        ("Zertifikatspeichername", row.certstorename.as_deref().unwrap_or("(null)")),
        ("Clientzertifikatsperre überprüfen", "Enabled"),
        ("Clientzertifikat aushandeln", "Disabled"),
    ];
    let lines: String = lines.iter().map(|(label, value)| format!("    {label:<29}: {value}\r\n")).collect();
    format!("\r\nSSL-Zertifikatbindungen:\r\n-------------------------\r\n\r\n{lines}\r\n")
}
