//! How many connections the databases of a project take. The release that serves is asked, by the project's own settings
//! and secrets; nothing is written.

use std::time::Duration;

use serde::Deserialize;

use crate::interrupt::{self, Within};
use crate::site::Invocation;

/// What is asked of every database in Django's settings. Of those that tell no limit there is nothing to compare.
pub const QUESTION: &str = "\
import json
from django.db import connections
asks = {'postgresql': 'SHOW max_connections', 'mysql': 'SELECT @@max_connections'}
found = []
for name in connections:
    connection, most = connections[name], None
    try:
        if connection.vendor in asks:
            with connection.cursor() as cursor:
                cursor.execute(asks[connection.vendor])
                most = int(cursor.fetchone()[0])
    except Exception:
        pass
    found.append({'name': name, 'vendor': connection.vendor, 'most': most})
print('holdall:' + json.dumps(found))
";

/// How long they may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// A database of the project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Database {
    /// In Django's settings: `default`.
    pub name: String,
    /// Django's word for its kind: `postgresql`.
    pub vendor: String,
    /// How many connections it takes, if it says so.
    pub most: Option<u64>,
}

impl Database {
    /// Asks them by a `manage.py` that runs [`QUESTION`]. None if the project does not answer.
    pub fn ask(question: &Invocation) -> Option<Vec<Database>> {
        match interrupt::output_within(&mut question.command(), LIMIT).ok()? {
            Within::Ended(output) => told(&String::from_utf8_lossy(&output.stdout)),
            Within::Overdue { .. } => None,
        }
    }
}

/// The project itself may print what it likes.
fn told(printed: &str) -> Option<Vec<Database>> {
    let line = printed.lines().rev().find_map(|line| line.strip_prefix("holdall:"))?;
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_project_prints_beside_the_answer_is_passed_over() {
        let printed = "loading…\r\nholdall:[{\"name\": \"default\", \"vendor\": \"sqlite\", \"most\": null}]\r\nbye\r\n";
        let known = Database { name: "default".to_owned(), vendor: "sqlite".to_owned(), most: None };
        assert_eq!(told(printed), Some(vec![known]));
        assert_eq!(told("Traceback"), None);
    }
}
