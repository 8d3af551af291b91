use super::*;
use crate::site::iis::section::{HEADERS, MIME_TYPES};

/// What a server printed for each question.
fn printed(question: &Question) -> Answer {
    let list = |inside: &str| Answer {
        code: 0,
        printed: format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<appcmd>\r\n{inside}\r\n</appcmd>\r\n"
        )
        .into(),
    };
    match question {
        Question::Pools => list(
            r#"<APPPOOL APPPOOL.NAME="shop" PipelineMode="Integrated" RuntimeVersion="" state="Started">
                 <add name="shop" managedRuntimeVersion="">
                   <processModel identityType="ApplicationPoolIdentity" idleTimeout="00:00:00" />
                   <recycling><periodicRestart time="1.05:00:00"><schedule /></periodicRestart></recycling>
                 </add>
               </APPPOOL>"#,
        ),
        Question::Applications => {
            list(r#"<APP path="/" APP.NAME="shop/" APPPOOL.NAME="shop" SITE.NAME="shop" />"#)
        }
        Question::Bindings => list(
            r#"<SITE SITE.NAME="shop" SITE.ID="2" bindings="http/*:80:,https/*:443:h" state="Stopped" />
               <SITE SITE.NAME="Default Web Site" SITE.ID="1" bindings="http/*:8080:,net.pipe/*" state="Started" />"#,
        ),
        Question::Site(name) if name == "shop" => list(
            r#"<SITE SITE.NAME="Shop" SITE.ID="2" bindings="http/*:80:,https/*:443:h" state="Stopped">
                 <site name="Shop" id="2" serverAutoStart="false">
                   <bindings>
                     <binding protocol="http" bindingInformation="*:80:" />
                     <binding protocol="https" bindingInformation="*:443:h" sslFlags="1" />
                   </bindings>
                   <limits /><logFile />
                   <application path="/" applicationPool="shop">
                     <virtualDirectory path="/" physicalPath="%SystemDrive%\inetpub\wwwroot" />
                     <virtualDirectory path="/media" physicalPath="C:\m" allowSubDirConfig="false" />
                   </application>
                 </site>
               </SITE>"#,
        ),
        // Not found is an exit code and nothing else.
        Question::Site(_) => Answer { code: 1, printed: Vec::new() },
        Question::FastCgi => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/fastCgi" path="MACHINE/WEBROOT/APPHOST">
                 <system.webServer-fastCgi>
                   <application fullPath="C:\a\python.exe" arguments="-m &quot;x y&quot;" maxInstances="4">
                     <environmentVariables><environmentVariable name="A" value="1" /></environmentVariables>
                   </application>
                 </system.webServer-fastCgi>
               </CONFIG>"#,
        ),
        Question::Certificate(Endpoint::Ip(_)) => Answer { code: 1, printed: b"not found\r\n".into() },
        Question::Certificate(_) => Answer {
            code: 0,
            printed: format!(
                "\r\n    Host:port : h:443\r\n    Hash : {}\r\n    ID : {}\r\n    Store : MY\r\n",
                "ab".repeat(20),
                netsh::APP_ID
            )
            .into(),
        },
        Question::GlobalModules => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/globalModules">
                 <system.webServer-globalModules>
                   <add name="FastCgiModule" image="%windir%\System32\inetsrv\iisfcgi.dll" />
                 </system.webServer-globalModules>
               </CONFIG>"#,
        ),
        Question::WindowsAuthentication => {
            Answer { code: 87, printed: b"ERROR ( message:Unknown config section )".into() }
        }
        Question::WindowsAt(_) => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/security/authentication/windowsAuthentication">
                 <system.webServer-security-authentication-windowsAuthentication enabled="true" />
               </CONFIG>"#,
        ),
        Question::Handlers(_) => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/handlers" path="MACHINE/WEBROOT/APPHOST/shop" overrideMode="Inherit" locked="true">
                 <system.webServer-handlers accessPolicy="Read, Script"><add name="StaticFile" path="*" /></system.webServer-handlers>
               </CONFIG>"#,
        ),
        Question::Modules(_) => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/modules">
                 <system.webServer-modules><add name="WebDAVModule" /></system.webServer-modules>
               </CONFIG>"#,
        ),
        Question::Section(_, Section::StaticContent) => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/staticContent">
                 <system.webServer-staticContent>
                   <clientCache cacheControlMode="UseMaxAge" />
                   <mimeMap fileExtension=".md" mimeType="text/markdown" />
                 </system.webServer-staticContent>
               </CONFIG>"#,
        ),
        Question::Anonymous(_) | Question::Section(..) => list(
            r#"<CONFIG CONFIG.SECTION="system.webServer/security/authentication/anonymousAuthentication">
                 <system.webServer-security-authentication-anonymousAuthentication enabled="true" userName="IUSR" />
               </CONFIG>"#,
        ),
    }
}

fn questions() -> Vec<Question> {
    let shop = || "shop".to_owned();
    vec![
        Question::Pools,
        Question::Applications,
        Question::Bindings,
        Question::FastCgi,
        Question::GlobalModules,
        Question::WindowsAuthentication,
        Question::Site(shop()),
        Question::Site("absent".to_owned()),
        Question::Certificate(endpoints()[0].clone()),
        Question::Certificate(endpoints()[1].clone()),
        Question::Handlers(shop()),
        Question::Modules(shop()),
        Question::Anonymous(shop()),
        Question::WindowsAt(shop()),
        Question::Section(shop(), Section::StaticContent),
        Question::Section("shop/up".to_owned(), Section::Anonymous),
    ]
}

fn endpoints() -> [Endpoint; 2] {
    ["hostnameport=h:443", "ipport=0.0.0.0:443"].map(|endpoint| Endpoint::parse(endpoint).unwrap())
}

/// Answers as the server does, but for one question.
fn surveyed(except: Option<(Question, Answer)>) -> Result<Actual, SurveyError> {
    let sites = ["shop", "absent"].map(str::to_owned);
    let locations = [("shop", "shop"), ("absent", "absent/x")];
    let locations = locations.map(|(site, location)| (site.to_owned(), location.to_owned()));
    let sections =
        [("shop", Section::StaticContent), ("shop", Section::Anonymous), ("shop/up", Section::Anonymous)];
    let sections = sections.map(|(location, section)| ("shop".to_owned(), location.to_owned(), section));
    let scope = Scope {
        sites: sites.into(),
        locations: locations.into(),
        sections: sections.into(),
        endpoints: endpoints().into(),
    };
    let answer = |command: &Call| {
        let question = questions().into_iter().find(|question| question.command() == *command);
        let question = question.unwrap_or_else(|| panic!("{command} is not asked"));
        match &except {
            Some((other, answer)) if *other == question => answer.clone(),
            _ => printed(&question),
        }
    };
    survey(&scope, |commands| Ok(commands.iter().map(answer).collect()))
}

#[test]
fn a_server_is_read_from_what_appcmd_prints() {
    let actual = surveyed(None).unwrap();
    let pool = actual.pool("SHOP").unwrap();
    assert_eq!(pool.value("managedRuntimeVersion"), Some(""));
    assert_eq!(pool.value("recycling.periodicRestart.time"), Some("1.05:00:00"));
    assert_eq!(pool.value("processModel.maxProcesses"), None);
    let site = actual.site("shop").unwrap();
    assert!(!site.auto_start && !site.is_started() && actual.site("absent").is_none());
    assert_eq!(site.bindings.iter().map(|binding| binding.ssl_flags).collect::<Vec<_>>(), [0, 1]);
    let app = actual.app("shop", "/").unwrap();
    assert_eq!(app.physical_path(), Some("%SystemDrive%\\inetpub\\wwwroot"));
    assert!(app.vdir("/").unwrap().sub_dir_config && !app.vdir("/Media").unwrap().sub_dir_config);
    let fastcgi = actual.fastcgi("C:\\a\\python.exe", "-m \"x y\"").unwrap();
    assert_eq!((fastcgi.value("maxInstances"), fastcgi.environment["A"].as_str()), (Some("4"), "1"));
    assert!(actual.has_fastcgi() && !actual.has_web_dav() && !actual.windows_authentication);
    let location = &actual.locations["shop"];
    assert_eq!((location.handlers_locked, location.web_dav), (Some(true), true));
    assert_eq!(location.anonymous_user.as_deref(), Some("IUSR"));
    assert!(location.windows_authentication, "the site's own rule counts");
    assert_eq!(actual.locations.len(), 1);
    let cached = actual.value("shop", Section::StaticContent, "clientCache.cacheControlMode");
    assert_eq!(cached, Some("UseMaxAge"));
    let types = actual.items("shop", &MIME_TYPES).unwrap();
    assert_eq!(
        types.iter().map(|item| item.attribute("mimeType")).collect::<Vec<_>>(),
        [Some("text/markdown")]
    );
    assert_eq!(actual.items("shop", &HEADERS), None, "nobody has asked");
    let enabled = |location| actual.value(location, Section::Anonymous, "enabled");
    assert_eq!([enabled("shop"), enabled("shop/up"), enabled("shop/x")], [Some("true"), Some("true"), None]);
    let taken = TakenBinding { site: "Default Web Site".to_owned(), information: "*:8080:".to_owned() };
    assert_eq!(actual.taken, [taken]);
    assert_eq!(actual.https, [TakenBinding { site: "shop".to_owned(), information: "*:443:h".to_owned() }]);
    let [shown, nothing] = endpoints().map(|endpoint| actual.certificates.get(&endpoint).cloned());
    assert!(shown.is_some_and(|shown| shown.is_ours()) && nothing.is_none());
}

#[test]
fn an_answer_that_names_no_certificate_is_none() {
    let answer = Answer { code: 0, printed: b"what is this".into() };
    let error = surveyed(Some((Question::Certificate(endpoints()[0].clone()), answer))).unwrap_err();
    assert!(matches!(error, SurveyError::NoCertificate { .. }), "{error}");
}

#[test]
fn the_questions_are_a_fixed_list() {
    let lines: Vec<_> = questions().iter().map(|question| question.command().args().join(" ")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    list apppool /config:* /xml
    list app /xml
    list site /xml
    list config /section:system.webServer/fastCgi /config:* /xml
    list config /section:system.webServer/globalModules /xml
    list config /section:system.webServer/security/authentication/windowsAuthentication /config:* /xml
    list site shop /config:* /xml
    list site absent /config:* /xml
    http show sslcert hostnameport=h:443
    http show sslcert ipport=0.0.0.0:443
    list config shop /section:system.webServer/handlers /xml
    list config shop /section:system.webServer/modules /xml
    list config shop /section:system.webServer/security/authentication/anonymousAuthentication /config:* /xml
    list config shop /section:system.webServer/security/authentication/windowsAuthentication /config:* /xml
    list config shop /section:system.webServer/staticContent /config:* /xml
    list config shop/up /section:system.webServer/security/authentication/anonymousAuthentication /config:* /xml
    ");
}

#[test]
fn whether_handlers_are_locked_is_told_by_the_mode_or_the_lock() {
    for (attributes, locked) in [
        ("overrideMode=\"Inherit\" locked=\"true\"", Some(true)),
        ("overrideMode=\"Inherit\" locked=\"False\"", Some(false)),
        ("overrideMode=\"Allow\" locked=\"true\"", Some(false)),
        ("overrideMode=\"Deny\"", Some(true)),
        ("", None),
    ] {
        let printed = format!("<appcmd><CONFIG {attributes}><h /></CONFIG></appcmd>").into_bytes();
        let question = Question::Handlers("shop".to_owned());
        let actual = surveyed(Some((question, Answer { code: 0, printed }))).unwrap();
        assert_eq!(actual.locations["shop"].handlers_locked, locked, "{attributes}");
    }
}

#[test]
fn a_web_config_that_iis_refuses_is_no_reason_to_stop() {
    let refused = |question: fn(String) -> Question, code| {
        let printed = b"ERROR ( message:Configuration error )".into();
        let actual = surveyed(Some((question("shop".to_owned()), Answer { code, printed }))).unwrap();
        actual.locations["shop"].clone()
    };
    // Handlers where they are locked, as of a site whose making was interrupted.
    assert_eq!(refused(Question::Handlers, 33).handlers_locked, Some(true));
    assert_eq!(refused(Question::Handlers, 13).handlers_locked, None);
    assert_eq!(refused(Question::Anonymous, 13).anonymous_user, None);
}

#[test]
fn a_server_that_does_not_answer_is_no_empty_server() {
    let failing = |code, printed: &[u8]| {
        surveyed(Some((Question::Pools, Answer { code, printed: printed.into() }))).unwrap_err()
    };
    assert!(matches!(failing(5, b"ERROR ( message:Configuration error )"), SurveyError::NotElevated));
    // But for what IIS cannot list when there is very much of it.
    let many = Answer { code: 122, printed: b"ERROR ( hresult:8007007a, message:... )".into() };
    assert_eq!(surveyed(Some((Question::Bindings, many))).unwrap().taken, []);
    let error = failing(122, b"ERROR ( hresult:8007007a, message:... )\r\n");
    assert!(matches!(error, SurveyError::Refused { code: 122, .. }), "{error}");
    assert!(matches!(failing(1, b"no such verb"), SurveyError::Refused { code: 1, .. }));
    assert!(matches!(failing(0, b"what is this"), SurveyError::Unreadable { .. }));
}
