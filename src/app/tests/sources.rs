//! What the source of settings says without being run.

use super::*;

/// What the reader of settings' source finds in one settings file, as JSON.
#[track_caller]
fn read_source(text: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("conf.py"), text).unwrap();
    let code = "import json, sys; sys.path.insert(0, sys.argv[2]); import sources
root = sys.argv[1]
found = sources.read({'root': root, 'roots': [root], 'settings': 'conf', 'manage': root + '/conf.py'})
print(json.dumps([found['environment'], found['secret_key'], found['fixed_settings']]))";
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/src/app");
    let output = Command::new(test_python())
        .args(["-B", "-c", code])
        .arg(folder.path())
        .arg(scripts)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{text}");
}

#[test]
fn only_variables_that_are_always_needed_are_called_needed() {
    read_source(
        "import os\na = os.environ['A'] + os.environ['B']\nos.environ['C'] = 'x'",
        r#"[["A", "B"], null, null]"#,
    );
    read_source("from os import environ\nD = {'k': int(environ['PORT'])}", r#"[["PORT"], null, null]"#);
    read_source(
        "import os\nif DEBUG:\n    a = os.environ['A']\nelse:\n    b = os.environ['B']",
        "[[], null, null]",
    );
    read_source("import os\ntry:\n    a = os.environ['A']\nexcept KeyError: pass", "[[], null, null]");
    let again = "import os\ntry:\n    a = os.environ['A']\nexcept KeyError:\n    raise ValueError from None";
    read_source(again, "[[\"A\"], null, null]");
    read_source("import os\ndef later(): return os.environ['A']\nb = os.getenv('B')", "[[], null, null]");
    read_source("import os\na = 'A' in os.environ and os.environ['A']", "[[], null, null]");
    read_source(
        "import environ\nenv = environ.Env(DEBUG=(bool, False))\nenv.read_env('f')\nD = env('DEBUG')\nK = env.str('KEY')\nX = env('X', default=1)",
        r#"[["KEY"], null, null]"#,
    );
    read_source(
        "from decouple import config\nK = config('KEY')\nD = config('DEBUG', default=False)",
        r#"[["KEY"], null, null]"#,
    );
    read_source(
        "from .base import env\nimport environ\nA = env('A')\nB = env.db()\nC = env.cache(default='x')\nD = env.db(var='D')",
        r#"[["A", "DATABASE_URL"], null, null]"#,
    );
    read_source("this is no Python", "[[], null, null]");
}

#[test]
fn a_key_in_plain_text_and_a_fixed_settings_module_are_seen_in_the_source() {
    read_source("import os\nSECRET_KEY = 'django-insecure'", r#"[[], "conf.py:2", null]"#);
    read_source("SECRET_KEY = ''", "[[], null, null]");
    let set = "os.environ['DJANGO_SETTINGS_MODULE'] = 'x'";
    read_source(&format!("import os\ndef main():\n    {set}"), r#"[[], null, "conf.py:3"]"#);
    read_source(&format!("import os, sys\nif 'test' in sys.argv:\n    {set}"), "[[], null, null]");
    read_source(&format!("import os\nif __name__ == '__main__':\n    {set}"), r#"[[], null, "conf.py:3"]"#);
}
