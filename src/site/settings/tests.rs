use super::*;
use crate::site::place::tests::guestbook;

fn read(text: &str) -> Result<SiteSettings, SettingsError> {
    SiteSettings::parse(text, Path::new("site.toml"))
}

/// What stands below a name.
fn named(text: &str) -> SiteSettings {
    read(&format!("name = 'shop'\n{text}")).unwrap()
}

#[track_caller]
fn refused(text: &str, message: &str, help: &str) {
    let error = read(&format!("name = 'shop'\n{text}")).unwrap_err();
    assert_eq!(error.to_string(), message);
    let given = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
    assert!(given.contains(help), "{given}");
}

const WHOLE: &str = r#"
    name = "shop"
    [[bindings]]
    host = "WWW.example.com"
    [[bindings]]
    protocol = "https"
    ip = "::1"
    port = 8443
    certificate = { thumbprint = "‎aa bb cc dd ee ff 00 11 22 33 aa bb cc dd ee ff 00 11 22 33" }
    [[bindings]]
    protocol = "https"
    host = "www.example.com"
    certificate = { subject = "www.example.com" }
    [[bindings]]
    protocol = "https"
    host = "*.example.org"
    certificate = "keep"
    [pool]
    name = "Shop pool"
    account = "EXAMPLE\\shop$"
    idleTimeout = 90
    startupTimeLimit = 100
    periodicRestartSchedule = ["03:00", "15:30"]
    startMode = "OnDemand"
    [fastcgi]
    maxInstances = 6
    requestTimeout = 30
    flushNamedPipe = true
    [fastcgi.environment]
    NLS_LANG = "GERMAN_GERMANY.AL32UTF8"
    [environment]
    "A.B" = "two\nlines, \"quoted\" 'twice' \u0000less"
    PLAIN = "C:\\data"
    [hooks]
    before = []
    after = ["manage.py clear_cache", "\"C:\\Program Files\\notify.exe\" shop \"\""]
    backup = ["pg_dump -f x"]
    timeout = 7200
    [probe]
    paths = ["/", "/health/?a=b"]
    status = [200, 401]
    timeout = 5
    warm = 2
    [releases]
    keep = 5
    drain = 0
    [requests]
    maxAllowedContentLength = 4294967295
    header = false
    [limits]
    maxConnections = 100
    connectionTimeout = 90
    [static]
    cacheDays = 7
    cacheControl = "public, immutable"
    unhashedCacheDays = 1
    [static.mimeTypes]
    ".gpx" = "application/gpx+xml"
    [media]
    url = "/uploads/"
    folder = "media/all"
    cacheDays = 2
    [authentication]
    windows = true
    providers = ["Negotiate:Kerberos", "NTLM"]
    anonymous = ["/public/", "hooks/in"]
    useAppPoolCredentials = true
    [proxies]
    trusted = ["10.0.0.0/8", "::1"]
    [compression]
    static = false
    [headers]
    Content-Security-Policy = "default-src 'self'"
    "X.Own" = "a \"b\""
"#;

fn whole() -> SiteSettings {
    // A process cannot have NUL in a variable; all else comes back as it went in.
    read(&WHOLE.replace("\\u0000", "")).unwrap()
}

#[test]
fn every_key_is_read() {
    let settings = whole();
    let Position::Own { bindings } = &settings.position else { panic!("{settings:?}") };
    let listed: Vec<_> = bindings.iter().map(|binding| (binding.to_string(), binding.ssl_flags())).collect();
    let expected = [
        ("http/*:80:www.example.com", 0),
        ("https/[::1]:8443:", 0),
        ("https/*:443:www.example.com", 1),
        ("https/*:443:*.example.org", 1),
    ];
    assert_eq!(listed, expected.map(|(binding, flags)| (binding.to_owned(), flags)));
    let thumbprint = "AABBCCDDEEFF00112233AABBCCDDEEFF00112233";
    assert_eq!(
        bindings[1].protocol,
        Protocol::Https(Certificate::Thumbprint(Thumbprint::parse(thumbprint).unwrap()))
    );
    assert_eq!(settings.pool_name().as_str(), "Shop pool");
    assert!(settings.pool.account.as_ref().unwrap().is_managed());
    assert_eq!(
        settings.pool.attributes,
        [
            ("idleTimeout", "01:30:00".to_owned()),
            ("startMode", "OnDemand".to_owned()),
            ("startupTimeLimit", "00:01:40".to_owned()),
        ]
        .into()
    );
    assert_eq!(settings.fastcgi["requestTimeout"], "30");
    assert_eq!((settings.max_instances(64), settings.drain()), (6, 0));
    assert_eq!(settings.hooks.after[0].manage(), Some(&["clear_cache".to_owned()][..]));
    assert_eq!(settings.hooks.after[1].words, ["C:\\Program Files\\notify.exe", "shop", ""]);
    assert_eq!(settings.hooks.after[1].manage(), None);
    assert_eq!(settings.hooks.limit().as_secs(), 7200);
    assert_eq!(settings.requests.attributes, [("maxAllowedContentLength", "4294967295".to_owned())].into());
    let limits = [("maxConnections", "100".to_owned()), ("connectionTimeout", "00:01:30".to_owned())];
    assert_eq!(settings.limits, limits.into());
    assert_eq!(settings.pool.schedule.as_deref(), Some(&["03:00:00".to_owned(), "15:30:00".to_owned()][..]));
    assert_eq!(settings.static_files.mime_types[".gpx"], "application/gpx+xml");
    let Some(Authentication::Windows { providers, anonymous, attributes }) = &settings.authentication else {
        panic!("{settings:?}")
    };
    assert_eq!(providers.as_deref(), Some(&["Negotiate:Kerberos", "NTLM"][..]));
    assert_eq!(anonymous.iter().map(VirtualPath::as_str).collect::<Vec<_>>(), ["public", "hooks/in"]);
    assert_eq!(attributes["useAppPoolCredentials"], "true");
    let trusted: Vec<_> = settings.trusted_proxies.iter().map(Network::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/8", "::1/128"]);
    assert_eq!(settings.headers["Content-Security-Policy"], "default-src 'self'");
    assert_eq!(settings.media.as_ref().unwrap().url.as_str(), "uploads");
}

#[test]
fn a_file_with_a_name_alone_says_what_is_usual() {
    let settings = named("");
    assert_eq!(settings, SiteSettings::named(SiteName::parse("shop").unwrap()));
    assert_eq!(settings.pool_name().as_str(), "shop");
    assert_eq!((settings.max_instances(3), settings.drain()), (6, 300));
    assert_eq!(named("fastcgi.requestTimeout = 10").drain(), 60);
    let waits = |text| named(text).start_limit().as_secs();
    assert_eq!((waits(""), waits("fastcgi.activityTimeout = 20")), (300, 20));
    let hangs = |text| named(text).hangs_after();
    assert_eq!((hangs(""), hangs("fastcgi.activityTimeout = 20")), (290, 15));
    assert_eq!(hangs("fastcgi.requestTimeout = 10"), 6, "what IIS does first counts");
}

#[test]
fn what_is_written_is_read_back() {
    let manifest = guestbook("/srv".as_ref()).manifest;
    for settings in [whole(), named("below = 'Default Web Site/shop'"), SiteSettings::of(&manifest)] {
        let text = settings.render(&manifest);
        assert_eq!(read(&text).unwrap(), settings, "{text}");
    }
}

#[test]
fn what_is_commented_out_can_be_taken_in_as_it_stands() {
    let manifest = guestbook("/srv".as_ref()).manifest;
    let text = SiteSettings::of(&manifest).render(&manifest);
    let key = |line: &str| line.starts_with('[') || line.contains(" = ") && !line.contains("below = ");
    let taken: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").filter(|rest| key(rest)).unwrap_or(line)).collect();
    let taken = read(&taken.join("\n")).unwrap();
    assert_eq!((taken.fastcgi.len(), taken.pool.attributes.len()), (FASTCGI.len(), POOL.len()));
    assert!(taken.media.is_some() && taken.pool.account.is_some() && taken.pool.schedule.is_some());
    assert_eq!((taken.limits.len(), taken.requests.attributes.len()), (LIMITS.len(), REQUESTS.len()));
    assert!(matches!(taken.authentication, Some(Authentication::Windows { .. })));
    assert_eq!((taken.headers.len(), taken.trusted_proxies.len()), (1, 1));
}

#[test]
fn a_new_site_is_told_what_it_has_to_say() {
    let mut manifest = guestbook("/srv".as_ref()).manifest;
    manifest.site.environment = vec!["DATABASE_URL".to_owned(), "SECRET_KEY".to_owned()];
    insta::assert_snapshot!(SiteSettings::of(&manifest).render(&manifest));
}

#[test]
fn an_unknown_key_names_its_place_and_the_near_one() {
    let unknown = |key: &str| format!("unknown key: site.toml, key `{key}`");
    refused(
        "[fastcgi]\nmaxinstances = 4",
        &unknown("fastcgi.maxinstances"),
        "did you mean `fastcgi.maxInstances`?",
    );
    refused("[pol]\nname = 'x'", &unknown("pol"), "did you mean `pool`?");
    refused("keep = 3", &unknown("keep"), "did you mean `releases.keep`?");
    refused("[[bindings]]\nhots = 'x'", &unknown("bindings.hots"), "did you mean `bindings.host`?");
    refused(
        "qqq = 1",
        &unknown("qqq"),
        "known here: `name`, `below`, `bindings`, `pool`, `fastcgi`, `environment`, `hooks`, `probe`, `releases`, \
         `requests`, `static`, `media`, `authentication`, `proxies`, `headers`, `services`, `logs`, `limits`, `compression`",
    );
    let error = read("name = 'shop'\nqqq = 1").unwrap_err();
    assert!(
        miette::Diagnostic::help(&error).unwrap().to_string().ends_with("`compression`"),
        "each stands there once"
    );
    refused("qqq.a = 1", &unknown("qqq"), "known here");
}

#[test]
fn a_wrong_value_names_its_key_and_what_is_wanted() {
    let wrong = |rest: &str| format!("wrong value: site.toml, key {rest}");
    refused("pool = 1", &wrong("`pool` is an integer, and a table is wanted"), "correct the value");
    refused(
        "fastcgi.activityTimeout = 7200",
        &wrong("`fastcgi.activityTimeout` is `7200`: a whole number from 10 to 3600 is wanted"),
        "",
    );
    refused("environment.A = 1", &wrong("`environment.A` is an integer, and a string is wanted"), "");
    refused(
        "fastcgi.stderrMode = 'Ignore'",
        &wrong(
            "`fastcgi.stderrMode` is `Ignore`: it is one of `ReturnStdErrIn500`, `ReturnGeneric500`, \
             `IgnoreAndReturn200`, `TerminateProcess`",
        ),
        "",
    );
    refused(
        "pool.name = 'a/b'",
        &wrong("`pool.name` is `a/b`: a pool's name has 1 to 64 characters, none of |<>&\"/\\[]+=;:,?*@'%"),
        "",
    );
    refused("hooks.after = ['\"a']", &wrong("`hooks.after` is `\"a`: its last `\"` has no second one"), "");
    refused(
        "releases.keep = 1",
        &wrong("`releases.keep` is `1`: a whole number from 2 to 1000 is wanted"),
        "",
    );
    refused(
        "[[bindings]]\n[[bindings]]\nport = 80",
        &wrong("`bindings.port` is `http/*:80:`: this binding stands there twice"),
        "",
    );
    refused(
        "[[bindings]]\nprotocol = 'https'",
        "site.toml, key `bindings.certificate` is missing",
        "certificate = \"keep\"",
    );
    refused(
        "below = 'A/b'\n[[bindings]]\nport = 81",
        "site.toml, keys `below` and `bindings` exclude each other",
        "",
    );
    refused(
        "below = 'A'",
        &wrong("`below` is `A`: a site and a path are wanted, such as `Intranet/shop`"),
        "",
    );
    assert_eq!(read("").unwrap_err().to_string(), "site.toml, key `name` is missing");
    assert!(matches!(read("name = "), Err(SettingsError::NotToml { .. })));
}

#[test]
fn what_windows_or_holdall_would_not_do_is_refused() {
    let wrong = |rest: &str| format!("wrong value: site.toml, key {rest}");
    refused(
        "[environment]\nA = '1'\na = '2'",
        &wrong("`environment` is `a`: `A` stands there, too, and on Windows both are one variable"),
        "correct the value",
    );
    refused(
        "[fastcgi.environment]\nkey = '1'\nother = '3'\nkeY = '2'",
        &wrong(
            "`fastcgi.environment` is `key`: `keY` stands there, too, and on Windows both are one variable",
        ),
        "",
    );
    for ours in ["PATH", "Path", "TEMP", "tmp", "DJANGO_SETTINGS_MODULE", "HOLDALL_SHARED"] {
        for table in ["environment", "fastcgi.environment"] {
            let error = read(&format!("name = 'shop'\n[{table}]\n{ours} = 'x'")).unwrap_err();
            assert!(error.to_string().starts_with(&wrong(&format!("`{table}` is `{ours}`: "))), "{error}");
        }
    }
    refused(
        "probe.warm = 3\nfastcgi.maxInstances = 2",
        &wrong(
            "`probe.warm` is `3`: no more than 2 processes can be warm, as many as `fastcgi.maxInstances` allows",
        ),
        "",
    );
    refused(
        "probe.warm = 17",
        &wrong(
            "`probe.warm` is `17`: no more than 16 processes can be warm, as many as `fastcgi.maxInstances` allows",
        ),
        "",
    );
    assert_eq!([2, 8].map(|cores| named("probe.warm = 12").warm(cores)), [4, 12]);
    assert_eq!(named("probe.warm = 20\nfastcgi.maxInstances = 20").probe.warm, Some(20));
    refused(
        "media.url = '/'",
        &wrong("`media.url` is `/`: a path such as `/shop` is wanted: letters, digits, `.`, `_`, `-`, `~`"),
        "",
    );
    for host in
        ["-shop", "shop-.example.com", "192.0.2.1", "shop.1", "*", "a..b", "example.com.", "shop:80", "*.-a"]
    {
        let error = read(&format!("name = 'shop'\n[[bindings]]\nhost = '{host}'")).unwrap_err();
        assert!(error.to_string().starts_with(&wrong(&format!("`bindings.host` is `{host}`: "))), "{error}");
    }
    for ip in [
        "0.0.0.0",
        "::",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
        "[192.0.2.1]",
        "[::1",
        "::1]",
        "::ffff:1.2.3.4",
        "256.1.1.1",
    ] {
        let error = read(&format!("name = 'shop'\n[[bindings]]\nip = '{ip}'")).unwrap_err();
        assert!(error.to_string().starts_with(&wrong(&format!("`bindings.ip` is `{ip}`: "))), "{error}");
    }
    named(
        "[[bindings]]\nip = '[2001:db8::1]'\nhost = 'xn--bcher-kva.example'\n[[bindings]]\nip = '*'\nhost = 'my_shop'",
    );
}

#[test]
fn uploads_do_not_hide_static_files() {
    let mut manifest = guestbook("/srv".as_ref()).manifest;
    manifest.site.static_root = Some("www/static".to_owned());
    let fits = |url: &str, manifest: &Manifest| {
        named(&format!("media.url = '{url}'")).check_fits(manifest, Path::new("site.toml"))
    };
    for url in ["/static/", "/Static/", "/static/uploads/"] {
        let error = fits(url, &manifest).unwrap_err().to_string();
        assert!(error.starts_with("wrong value: site.toml, key `media.url` is `/static"), "{error}");
        assert!(error.contains("`/static/` (STATIC_URL)"), "{error}");
    }
    fits("/media/", &manifest).unwrap();
    fits("/static-uploads/", &manifest).unwrap();
    manifest.site.static_root = Some("www/media/static".to_owned());
    fits("/media/", &manifest).unwrap_err();
    // Another server answers for them.
    manifest.site.static_root = Some("static-cdn".to_owned());
    fits("/static-cdn/", &manifest).unwrap();
}

#[test]
fn names_that_iis_or_a_command_line_would_take_amiss_are_refused() {
    for wrong in ["", " a", "a'b", "a%b", "a@b", "a\nb", &"x".repeat(65)] {
        assert!(PoolName::parse(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "a//b", "../b", "a/..", "a?b", "a'b", "a/b "] {
        assert!(VirtualPath::parse(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(VirtualPath::parse("/a/b.c/").unwrap().as_str(), "a/b.c");
    for wrong in ["shop", "\\shop", "A\\B\\c", "A\\b c%"] {
        assert!(Account::parse(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["", "aux", "a/b", "a b", "x.", "-x"] {
        assert!(SiteName::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_contradicts_something_else_or_itself_is_refused_with_the_remedy() {
    let wrong = |rest: &str| format!("wrong value: site.toml, key {rest}");
    let contradicts = |rest: &str| format!("site.toml: {rest}");
    refused(
        "[pool]\nenable32BitAppOnWin64 = true",
        &wrong(
            "`pool.enable32BitAppOnWin64` is `true`: the bridge is 64-bit, as every bundle's Python is, and IIS starts it \
             whatever the worker is: a 32-bit worker would only have less memory",
        ),
        "remove the key",
    );
    refused(
        "[authentication]\nanonymous = ['/public/']",
        "site.toml, key `authentication.windows` is missing",
        "windows = true",
    );
    refused(
        "[authentication]\nwindows = false\nuseKernelMode = true",
        &contradicts(
            "`authentication.useKernelMode` contradicts `authentication.windows = false`: without Windows \
             authentication nobody is asked anywhere",
        ),
        "remove one of them",
    );
    refused(
        "[authentication]\nwindows = true\nanonymous = ['/a/', 'A']",
        &wrong("`authentication.anonymous` is `A`: it stands there twice"),
        "",
    );
    refused(
        "[authentication]\nwindows = true\nproviders = ['Basic']",
        &wrong(
            "`authentication.providers` is `Basic`: it is one of `Negotiate`, `NTLM`, `Negotiate:Kerberos`",
        ),
        "",
    );
    refused(
        "below = 'Intranet/shop'\n[limits]\nmaxConnections = 5",
        &contradicts(
            "`limits.maxConnections` contradicts `below`: connections belong to the site above, which is not Holdall's",
        ),
        "remove one of them",
    );
    refused("[headers]\nX-A = 'b'\nx-a = 'c'", &wrong("`headers` is `x-a`: `X-A` stands there, too"), "");
    refused(
        "[headers]\nContent-Length = '1'",
        &wrong("`headers.Content-Length` is `1`: IIS writes it, and a wrong one cuts answers off"),
        "",
    );
    refused(
        "[proxies]\ntrusted = ['10.1.0.0/8']",
        &wrong("`proxies.trusted` is `10.1.0.0/8`: it is an address within a network: write `10.0.0.0/8`"),
        "",
    );
    refused(
        "[pool]\nperiodicRestartSchedule = ['24:00']",
        &wrong("`pool.periodicRestartSchedule` is `24:00`: a time of the day is wanted, such as `03:00`"),
        "",
    );
    refused("[media]\ncacheDays = 1", "site.toml, key `media.url` is missing", "url = \"/media/\"");
}

/// Every attribute of every table, with what is out of its range, of another type or no word of its own.
#[test]
fn every_setting_of_iis_refuses_what_iis_would() {
    for (table, attributes) in keys::TABLES {
        for attribute in *attributes {
            let more = if *table == "authentication" { "windows = true\n" } else { "" };
            let set =
                |value: &str| read(&format!("name = 'shop'\n[{table}]\n{more}{} = {value}", attribute.key));
            let (right, wrong): (Vec<String>, Vec<String>) = match attribute.kind {
                Kind::Number(least, most) | Kind::Minutes(least, most) | Kind::Seconds(least, most) => (
                    vec![least.to_string(), most.to_string()],
                    vec![
                        (i64::from(least) - 1).to_string(),
                        (i64::from(most) + 1).to_string(),
                        "'5'".into(),
                        "1.5".into(),
                    ],
                ),
                // One of them is refused as it contradicts the bundle.
                Kind::Flag => (vec!["false".into()], vec!["1".into(), "'true'".into()]),
                Kind::Word(words) => (
                    words.iter().map(|word| format!("'{word}'")).collect(),
                    vec!["'other'".into(), "1".into()],
                ),
            };
            for value in right {
                assert!(set(&value).is_ok(), "{table}.{} = {value}", attribute.key);
            }
            for value in wrong {
                let error = set(&value).unwrap_err();
                let key = format!("`{table}.{}`", attribute.key);
                assert!(error.to_string().contains(&key), "{value}: {error}");
            }
        }
    }
}

/// A row of the guide for an attribute of IIS.
fn row(table: &str, attribute: &Attribute) -> String {
    let kind = match attribute.kind {
        Kind::Number(least, most) => format!("{least} to {most}"),
        Kind::Minutes(least, most) => format!("minutes, {least} to {most}"),
        Kind::Seconds(least, most) => format!("seconds, {least} to {most}"),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
    };
    let standard = match (attribute.standard, attribute.kind) {
        (attribute::Standard::ByProcessors, _) => "2 × processors, 4 to 16".to_owned(),
        (_, Kind::Minutes(..)) => (seconds(&attribute.standard(1)).unwrap() / 60).to_string(),
        (_, Kind::Seconds(..)) => seconds(&attribute.standard(1)).unwrap().to_string(),
        (_, Kind::Word(_)) => format!("`\"{}\"`", attribute.standard(1)),
        _ => attribute.standard(1),
    };
    let whose = if attribute.of_server().is_some() { " (IIS's)" } else { "" };
    format!("| `{table}.{}` | {kind} | {standard}{whose} | {} |", attribute.key, attribute.says)
}

#[test]
fn the_guide_tells_of_every_key_and_of_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let guide = fs_err::read_to_string(path).unwrap();
    let mut known: Vec<String> = keys::KEYS.iter().map(|key| format!("`{key}`")).collect();
    for (table, attributes) in keys::TABLES {
        for attribute in *attributes {
            let row = row(table, attribute);
            assert!(guide.lines().any(|line| line == row), "the guide lacks\n{row}");
            known.push(format!("`{table}.{}`", attribute.key));
        }
    }
    let told: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key)
        .collect();
    for key in &known {
        assert!(told.contains(&key.trim_matches('`')), "the guide lacks {key}");
    }
    // Those of a binding and of a service stand there, too.
    let of_one = |key: &&&str| key.starts_with("bindings.") || key.starts_with("services.");
    let others = told.iter().filter(|key| !of_one(key)).map(|key| format!("`{key}`"));
    for key in others {
        assert!(known.contains(&key), "there is no key {key}");
    }
}
