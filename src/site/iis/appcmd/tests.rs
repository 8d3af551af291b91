use super::*;

fn quoted(text: &str) -> Quoted {
    Quoted::parse(text).unwrap()
}

fn application() -> Items {
    let attributes = vec![("fullPath", quoted(r"C:\a b\python.exe")), ("arguments", quoted("-m \"x y\""))];
    Items::item(attributes)
}

#[track_caller]
fn check(command: &Command, args: &[&str], line: &str) {
    assert_eq!(command.args(), args);
    assert_eq!(command.to_string().strip_prefix(PROGRAM).unwrap().trim_start(), line);
}

#[test]
fn a_command_has_one_bare_word_and_then_parameters() {
    let list = Command::new(Verb::List, Object::Site, Some("my shop")).switch("config").switch("xml");
    check(&list, &["list", "site", "my shop", "/config", "/xml"], r#"list site "my shop" /config /xml"#);
    let pool = Command::new(Verb::Add, Object::AppPool, None).property("name", "shop");
    let pool = pool.property("managedRuntimeVersion", "");
    check(
        &pool,
        &["add", "apppool", "/name:shop", "/managedRuntimeVersion:"],
        "add apppool /name:shop /managedRuntimeVersion:",
    );
}

#[test]
fn items_have_their_values_in_single_quotes() {
    let section = "system.webServer/fastCgi";
    let items = application().inside("environmentVariables", vec![("name", quoted("A"))]);
    let command = Command::config(Verb::Set, Some("shop"), section).adding(items).committed();
    let words = r#"/+[fullPath='C:\a b\python.exe',arguments='-m "x y"'].environmentVariables.[name='A']"#;
    assert_eq!(
        command.args(),
        ["set", "config", "shop", "/section:system.webServer/fastCgi", words, "/commit:apphost"]
    );
    let edit = Command::config(Verb::Set, None, section).editing(application(), "maxInstances", "4");
    assert!(edit.args()[3].ends_with("\"x y\"'].maxInstances:4"), "{edit}");
    let placed = Items::of("bindings", vec![("protocol", quoted("http"))]).at(At::Start);
    assert_eq!(placed.to_string(), "bindings.[@start,protocol='http']");
    assert_eq!(Items::item(vec![("a", quoted("b"))]).at(At::End).to_string(), "[@end,a='b']");
}

#[test]
fn what_no_quote_can_hold_is_no_value() {
    for wrong in ["it's", "a\nb", "\0", "a\rb"] {
        assert_eq!(Quoted::parse(wrong), Err(Unquotable(wrong.to_owned())));
    }
    for right in ["", "a,b=c[d]{e}", r"\", "\"", "ü 日本", "100%"] {
        assert_eq!(quoted(right).as_str(), right);
    }
}

#[track_caller]
fn typed(arg: &str, prompt: &str, batch: &str) {
    assert_eq!((cmd_word(arg, "^%").as_str(), cmd_word(arg, "%%").as_str()), (prompt, batch));
}

#[test]
fn a_line_can_be_pasted_and_put_into_a_batch_file() {
    let same = |arg, word| typed(arg, word, word);
    same(r"C:\holdall\shop", r"C:\holdall\shop");
    same("/physicalPath:C:\\my shop\\", r#""/physicalPath:C:\my shop\\""#);
    same("", r#""""#);
    same("a^b", r#""a^b""#);
    same("a&b|c<d>e(f)!", r#""a&b|c<d>e(f)!""#);
    same("[a='b']", r#""[a='b']""#);
    typed("%windir%", r#"^"^%windir^%^""#, r#"^"%%windir%%^""#);
    same(r#"a "b" & c"#, r#"^"a \^"b\^" ^& c^""#);
    same(r#"a\"b"#, r#"^"a\\\^"b^""#);
    same(r#"a\\"#, r"a\\");
    same(r#"a b\\"#, r#""a b\\\\""#);
}

/// What cmd makes of a word: quotes switch, `^` takes the meaning of the next letter outside of them.
fn through_cmd(word: &str) -> String {
    let (mut read, mut quoted) = (String::new(), false);
    let mut letters = word.chars();
    while let Some(c) = letters.next() {
        match c {
            '"' => {
                quoted = !quoted;
                read.push(c);
            }
            '^' if !quoted => read.extend(letters.next()),
            c => {
                assert!(quoted || !"&|<>".contains(c), "{word}: cmd takes `{c}` for its own");
                read.push(c);
            }
        }
    }
    read
}

/// What a program makes of its one argument.
fn through_program(word: &str) -> String {
    let (mut read, mut backslashes) = (String::new(), 0);
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                read.push_str(&"\\".repeat(backslashes / 2));
                if backslashes % 2 == 1 {
                    read.push('"');
                }
                backslashes = 0;
            }
            c => {
                read.push_str(&"\\".repeat(std::mem::take(&mut backslashes)));
                read.push(c);
            }
        }
    }
    read + &"\\".repeat(backslashes)
}

#[test]
fn any_word_reaches_the_program_as_it_was_meant() {
    let letters = ["\"", "\\", " ", "%", "^", "&", "x", "'"];
    for first in letters {
        for second in letters {
            for third in letters {
                for fourth in letters {
                    let word = [first, second, third, fourth].concat();
                    assert_eq!(through_program(&through_cmd(&cmd_word(&word, "^%"))), word);
                    let batch = cmd_word(&word, "%%").replace("%%", "%");
                    assert_eq!(through_program(&through_cmd(&batch)), word);
                }
            }
        }
    }
}

#[test]
fn what_nobody_may_see_is_no_word_of_a_command() {
    let command = Command::new(Verb::Set, Object::AppPool, None)
        .input("<a password=\"hidden\"/>".to_owned(), "the account and its password");
    let shown = format!("{command} {command:?} {} {:?}", command.batch_line(), command.args());
    assert!(!shown.contains("hidden") && shown.contains("the account and its password"), "{shown}");
    assert_eq!(command.standard_input(), Some("<a password=\"hidden\"/>"));
    assert_eq!(command.args(), ["set", "apppool", "/in"]);
}

#[test]
fn what_was_added_is_removed_and_back_again() {
    let set = Command::config(Verb::Set, None, "fastCgi").adding(application()).committed();
    let start = Command::new(Verb::Start, Object::Site, Some("shop"));
    let unlock = Command::config(Verb::Unlock, Some("shop"), "handlers").committed();
    for command in [&set, &start, &unlock] {
        let inverse = command.inverse().unwrap();
        assert_ne!(&inverse, command);
        assert_eq!(inverse.inverse().as_ref(), Some(command));
    }
    let two = set.clone().adding(Items::item(vec![("a", quoted("b"))]));
    let words = two.inverse().unwrap().args();
    assert_eq!(words[3], "/-[a='b']");
    assert!(words[4].starts_with("/-[fullPath="), "{words:?}");
}

#[test]
fn what_was_made_is_deleted_by_its_name() {
    let deletes = |command: Command| command.inverse().unwrap().args().join(" ");
    let add = |object| Command::new(Verb::Add, object, None);
    assert_eq!(deletes(add(Object::AppPool).property("name", "shop")), "delete apppool shop");
    assert_eq!(deletes(add(Object::Site).property("name", "shop").property("id", "1")), "delete site shop");
    let app = add(Object::App).property("site.name", "Intranet").property("path", "/shop");
    assert_eq!(deletes(app), "delete app Intranet/shop");
    let vdir = |app: &str| deletes(add(Object::Vdir).property("app.name", app).property("path", "/media"));
    assert_eq!(
        (vdir("shop/").as_str(), vdir("a/shop").as_str()),
        ("delete vdir shop/media", "delete vdir a/shop/media")
    );
    // What was there before is not in the command.
    let set = Command::new(Verb::Set, Object::Site, Some("shop")).property("serverAutoStart", "true");
    assert_eq!(set.inverse(), None);
    assert_eq!(Command::new(Verb::Delete, Object::Site, Some("shop")).inverse(), None);
}

#[test]
fn exit_codes_decide_what_happens_next() {
    let meaning = |verb, code| Command::new(verb, Object::Site, Some("shop")).meaning(code);
    for (verb, code, expected) in [
        (Verb::Set, 0, Meaning::Done),
        (Verb::List, 1, Meaning::NotFound),
        (Verb::Set, 1, Meaning::Failed),
        (Verb::Set, 5, Meaning::NotElevated),
        (Verb::Set, 13, Meaning::Failed),
        (Verb::Set, 32, Meaning::Retry),
        (Verb::Set, 33, Meaning::Reread),
        (Verb::Set, 50, Meaning::Failed),
        (Verb::Set, 87, Meaning::Failed),
        (Verb::Add, 183, Meaning::Reread),
        (Verb::Set, 1006, Meaning::Reread),
        (Verb::Set, 1168, Meaning::Reread),
        (Verb::Set, 1726, Meaning::Reread),
        (Verb::Set, 4312, Meaning::Reread),
        (Verb::Start, 4312, Meaning::Retry),
        (Verb::Set, -2147024896, Meaning::Failed),
    ] {
        assert_eq!(meaning(verb, code), expected, "{verb:?} {code}");
    }
}
