//! netsh.exe, of which there is `http show|add|delete sslcert` alone: strict about its words, as the real one is about those
//! that count here. It ends with 1 whatever goes wrong, and says why in the language of the server.

use std::collections::BTreeMap;
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
    more: BTreeMap<String, String>,
}

fn execute(lab: &Lab, args: &[String]) -> Result<String, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ["http", verb @ ("show" | "add" | "delete"), "sslcert", tags @ ..] = &words[..] else {
        return Err("\r\nThe following command was not found.\r\n".to_owned());
    };
    let Words { endpoint, certhash, appid, certstorename, more } = read(tags)?;
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
            table.insert(endpoint, Row { certhash, appid, certstorename, more });
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
            name if MORE.iter().any(|(word, _, usual)| *word == name && is_fit(usual, value)) => {
                match words.more.insert(name.to_owned(), value.to_owned()) {
                    None => continue,
                    Some(_) => return Err(wrong()),
                }
            }
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

/// What may be said beside that, how it is shown, and what it is if nothing is said.
const MORE: [(&str, &str, &str); 9] = [
    ("verifyclientcertrevocation", "Clientzertifikatsperre überprüfen", "enable"),
    (
        "verifyrevocationwithcachedclientcertonly",
        "Sperre nur mit zwischengespeichertem überprüfen",
        "disable",
    ),
    ("usagecheck", "Verwendungsüberprüfung", "enable"),
    ("revocationfreshnesstime", "Aktualisierungszeit der Sperre", "0"),
    ("urlretrievaltimeout", "URL-Abruftimeout", "0"),
    ("sslctlidentifier", "Steuerungsbezeichner", "(null)"),
    ("sslctlstorename", "Steuerungsspeichername", "(null)"),
    ("dsmapperusage", "DS-Zuordnungsverwendung", "disable"),
    ("clientcertnegotiation", "Clientzertifikat aushandeln", "disable"),
];

fn is_fit(usual: &str, value: &str) -> bool {
    match usual {
        "enable" | "disable" => matches!(value, "enable" | "disable"),
        "0" => value.parse::<u32>().is_ok(),
        _ => !value.is_empty(),
    }
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
    let first = [
        (kind, at),
        ("Zertifikathash", &row.certhash),
        ("Anwendungs-ID", &row.appid),
        ("Zertifikatspeichername", row.certstorename.as_deref().unwrap_or("(null)")),
    ];
    let more = MORE.iter().map(|(word, label, usual)| {
        let value = row.more.get(*word).map_or(*usual, String::as_str);
        let value = match value {
            "enable" => "Aktiviert",
            "disable" => "Deaktiviert",
            other => other,
        };
        (*label, value)
    });
    let lines: String =
        first.into_iter().chain(more).map(|(label, value)| format!("    {label:<29}: {value}\r\n")).collect();
    format!("\r\nSSL-Zertifikatbindungen:\r\n-------------------------\r\n\r\n{lines}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "certhash=0123456789abcdef0123456789abcdef01234567";
    const ID: &str = "appid={4dc3e181-e14b-4a21-b022-59fc669b0914}";

    /// What a command line ends with, and what it printed.
    fn ran(lab: &Lab, line: &str) -> (i32, String) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let done = run(lab, &args);
        (done.exit, String::from_utf8(done.stdout).unwrap())
    }

    #[test]
    fn a_row_is_added_shown_and_deleted_and_its_certificate_has_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::open(folder.path()).unwrap();
        let at = "hostnameport=A.example:443";
        assert_eq!(ran(&lab, &format!("http show sslcert {at}")).0, 1);
        let add = format!("http add sslcert {at} {HASH} {ID} certstorename=MY");
        assert!(ran(&lab, &add).1.contains("Error: 1312"));
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        fs_err::create_dir(folder.path().join("certificates")).unwrap();
        fs_err::write(folder.path().join("certificates/a.pem"), made.cert.pem()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, made.cert.der());
        let hash: String = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let add = add.replace(HASH, &format!("certhash={hash}"));
        assert!(ran(&lab, &add).1.contains("Error: 1312"), "without its key");
        fs_err::write(folder.path().join("certificates/a.key"), made.signing_key.serialize_pem()).unwrap();
        assert!(ran(&lab, &add.replace(" certstorename=MY", "")).1.contains("Error: 87"));
        assert_eq!(ran(&lab, &add).0, 0);
        assert!(ran(&lab, &add).1.contains("Error: 183"));
        let (exit, said) = ran(&lab, "http show sslcert hostnameport=a.example:443");
        assert!(exit == 0 && said.contains(&hash.to_lowercase()) && said.contains(&ID[6..]), "{said}");
        assert!(said.contains("Clientzertifikat aushandeln  : Deaktiviert"), "{said}");
        assert_eq!(ran(&lab, &format!("http delete sslcert {at}")).0, 0);
        assert_eq!(ran(&lab, &format!("{add} clientcertnegotiation=enable usagecheck=enable")).0, 0);
        let (_, said) = ran(&lab, "http show sslcert hostnameport=a.example:443");
        assert!(said.contains("Clientzertifikat aushandeln  : Aktiviert"), "{said}");
        assert_eq!(ran(&lab, &format!("http delete sslcert {at}")).0, 0);
        assert!(ran(&lab, &format!("http delete sslcert {at}")).1.contains("Error: 2"));
        assert!(!folder.path().join("sslcert.json").exists());
    }

    #[test]
    fn words_that_it_does_not_know_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::open(folder.path()).unwrap();
        for line in [
            "http show",
            "http show urlacl",
            "http show sslcert",
            "http show sslcert ipport=443",
            "http show sslcert hostnameport=a.example",
            "http show sslcert ipport=0.0.0.0:443 ipport=0.0.0.0:444",
            "http add sslcert ipport=0.0.0.0:443 certhash=12 appid={1}",
            "http add sslcert ipport=0.0.0.0:443 sslctl=MY",
            "http add sslcert ipport=0.0.0.0:443 usagecheck=Enabled",
        ] {
            assert_eq!(ran(&lab, line).0, 1, "{line}");
        }
        assert!(lab.table().unwrap().is_empty());
    }
}
