use super::*;
use crate::recipe::Recipes;
use crate::site::iis::schema;
use crate::site::iis::web_config::WebConfig;

/// What Holdall says for a site with static files and uploads.
fn ours() -> String {
    let config = WebConfig {
        static_path: Some("static".to_owned()),
        media_path: Some("media".to_owned()),
        ..WebConfig::example(None)
    };
    config.render(&Recipes::read(None).unwrap().iis.web_config).unwrap()
}

fn file(text: &str) -> String {
    format!("<configuration>{text}</configuration>")
}

fn server(text: &str) -> String {
    file(&format!("<system.webServer>{text}</system.webServer>"))
}

#[track_caller]
fn merged_with(theirs: &str) -> Merged {
    let merged = merge(&ours(), theirs).unwrap();
    assert_eq!(schema::check(&merged.text), Ok(Vec::new()), "{}", merged.text);
    merged
}

#[track_caller]
fn refused(theirs: &str, why: &str) {
    let conflict = merge(&ours(), theirs).unwrap_err().to_string();
    assert!(conflict.contains(why), "{conflict}");
}

#[track_caller]
fn found(theirs: &str, what: &[&str]) {
    let findings = merge(&ours(), theirs).unwrap().findings;
    assert_eq!(findings.len(), what.len(), "{findings:?}");
    for ((found, _), what) in findings.iter().zip(what) {
        assert!(found.contains(what), "{found}");
    }
}

#[test]
fn nothing_said_is_nothing_changed() {
    let merged = merged_with("<configuration />");
    assert_eq!(tree::parse(&merged.text), tree::parse(&ours()));
    assert!(merged.findings.is_empty());
}

#[test]
fn what_the_project_says_stands_beside_what_holdall_says() {
    let theirs = r#"<?xml version="1.0"?>
<!-- of the shop -->
<configuration>
  <system.webServer>
    <httpProtocol>
      <customHeaders><remove name="X-Powered-By" /><add name="X-Shop" value="a &amp; &quot;b&quot; &#10;" /></customHeaders>
    </httpProtocol>
    <httpErrors existingResponse="passthrough" errorMode="Custom" />
    <httpRedirect enabled="true" destination="/new"><add wildcard="/old" destination="/new" /></httpRedirect>
    <security>
      <requestFiltering>
        <hiddenSegments><clear /><add segment="private" /></hiddenSegments>
        <verbs><add verb="TRACE" allowed="false" /></verbs>
      </requestFiltering>
    </security>
    <staticContent>
      <remove fileExtension=".css" /><mimeMap fileExtension=".CSS" mimeType="text/css" />
      <remove fileExtension=".gpx" /><mimeMap fileExtension=".gpx" mimeType="application/gpx+xml" />
    </staticContent>
  </system.webServer>
  <location path="/Static/">
    <system.webServer><httpErrors><error statusCode="404" path="/gone.html" responseMode="ExecuteURL" /></httpErrors></system.webServer>
  </location>
  <location path="upload">
    <system.webServer><caching enabled="false" /></system.webServer>
  </location>
  <system.web><own>text</own></system.web>
  <configSections><section name="own" type="Own" /></configSections>
</configuration>"#;
    insta::assert_snapshot!(merged_with(theirs).text);
}

#[test]
fn a_list_that_the_project_begins_anew_keeps_what_holdall_adds() {
    let merged = merged_with(&server(
        "<httpProtocol><customHeaders><add name=\"a\" value=\"b\" /><clear /><remove name=\"c\" />\
         <add name=\"d\" value=\"e\" /></customHeaders></httpProtocol>",
    ));
    let root = tree::parse(&merged.text).unwrap();
    let protocol = root.child("system.webServer").unwrap().child("httpProtocol").unwrap();
    let items = protocol.child("customHeaders").unwrap().children.iter();
    let items: Vec<_> =
        items.map(|item| (item.name.as_str(), item.attribute("name").unwrap_or_default())).collect();
    assert_eq!(items, [("clear", ""), ("add", "X-Holdall-Release"), ("add", "d")]);
}

#[test]
fn what_holdall_answers_for_is_not_the_projects_to_say() {
    refused(&server("<handlers accessPolicy=\"Read\" />"), "system.webServer/handlers: who answers");
    let place =
        "<location path=\"a\"><system.webServer><handlers><clear /></handlers></system.webServer></location>";
    refused(&file(place), "system.webServer/handlers in `<location path=\"a\">`: who answers");
    refused(
        &server("<httpErrors existingResponse=\"Replace\" />"),
        "`existingResponse` is `Replace`, and Holdall says",
    );
    let header = |item: &str| format!("<httpProtocol><customHeaders>{item}</customHeaders></httpProtocol>");
    refused(&server(&header("<remove name=\"x-holdall-release\" />")), "says which release answers");
    let cleared = format!(
        "<location path=\"a\"><system.webServer>{}</system.webServer></location>",
        header("<clear />")
    );
    refused(&file(&cleared), "would take `X-Holdall-Release` away there");
    let hidden = |item: &str| {
        format!(
            "<security><requestFiltering><hiddenSegments>{item}</hiddenSegments></requestFiltering></security>"
        )
    };
    refused(&server(&hidden("<remove segment=\"Web.config\" />")), "has to stay hidden");
    let cleared = format!(
        "<location path=\"a\"><system.webServer>{}</system.webServer></location>",
        hidden("<clear />")
    );
    refused(&file(&cleared), "has to stay hidden");
    for path in ["media", "Media\\a/", "/media/b"] {
        refused(&file(&format!("<location path=\"{path}\" />")), "how they are served is locked");
    }
    merged_with(&file("<location path=\"mediathek\" />"));
    refused(
        &server(
            "<staticContent><mimeMap fileExtension=\".js\" mimeType=\"application/javascript\" /></staticContent>",
        ),
        "`.js` has `mimeType` `application/javascript`, and Holdall says `text/javascript`",
    );
    refused(
        &server("<staticContent><remove fileExtension=\".js\" /></staticContent>"),
        "removes `.js`, which Holdall adds",
    );
    refused(&server("<httpProtocol lockElements=\"customHeaders\" />"), "would lock what Holdall writes");
    refused(&file("<location path=\"static\" overrideMode=\"Deny\" />"), "without `overrideMode`");
}

#[test]
fn what_iis_takes_from_no_such_file_is_refused() {
    refused("<configuration><a></configuration>", "line 1");
    refused("<configuration>\n<a>", "line 2");
    refused("", "it is not one element");
    refused("<a /><b />", "it is not one element");
    refused("<Configuration />", "its root is `<Configuration>`");
    refused("<!DOCTYPE a [<!ENTITY b 'c'>]>\n<configuration>&b;</configuration>", "line 1: it has a DOCTYPE");
    refused("<configuration>\n&b;</configuration>", "line 2: `&b;`");
    refused("<configuration a=\"&b;\" />", "line 1");
    refused(&server("<fastCgi />"), "applicationHost.config alone");
    refused(
        &file("<system.applicationHost><sites /></system.applicationHost>"),
        "applicationHost.config alone",
    );
    refused(&server("<httpErrors /><httpErrors />"), "it stands there twice");
    let groups =
        "<system.webServer><httpErrors /></system.webServer><system.webServer><caching /></system.webServer>";
    merged_with(&file(groups));
    refused(&file(&groups.replace("caching", "httpErrors")), "it stands there twice");
    let nested = "<location path=\"a\"><location path=\"b\"><system.webServer><handlers /></system.webServer></location></location>";
    refused(&file(nested), "it stands within something else");
    refused(&file("<location path=\"a\" /><location path=\"A/\" />"), "more than one");
    for path in ["", "path=\"\"", "path=\".\""] {
        refused(&file(&format!("<location {path} />")), "for the whole site");
    }
    refused(&file("<appSettings configSource=\"x.config\" />"), "no other file goes into the bundle");
    refused(
        &server("<directoryBrowse showFlags=\"All\" />"),
        "`showFlags` of `system.webServer/directoryBrowse` is `All`",
    );
}

#[test]
fn what_may_not_be_meant_is_told() {
    found(&server("<modules /><webSocket />"), &["`system.webServer/modules` locked", "webSocket` locked"]);
    let authentication =
        "<security><authentication><windowsAuthentication enabled=\"true\" /></authentication></security>";
    found(&server(authentication), &["windowsAuthentication` locked"]);
    found(&server("<rewrite />"), &["URL Rewrite"]);
    found(&server("<urlCompression />"), &["wins over `[compression]`"]);
    let limits =
        "<security><requestFiltering><requestLimits maxUrl=\"9000\" /></requestFiltering></security>";
    found(&server(limits), &["requestLimits` wins over `[requests]`"]);
    found(&server("<directoryBrowse sort=\"true\" />"), &["attribute `sort`, which is not known"]);
    let settings = "<appSettings><add key=\"WSGI_HANDLER\" value=\"a\" /><add key=\"DB_PASSWORD\" value=\"b\" />\
                    <add key=\"SECRET_KEY\" value=\"\" /></appSettings>\
                    <connectionStrings><add name=\"a\" connectionString=\"Server=a;Password=b\" /></connectionStrings>";
    found(&file(settings), &["`WSGI_HANDLER`", "`DB_PASSWORD`", "a connection string"]);
}

#[test]
fn the_file_is_named_with_what_is_to_be_done() {
    let error = merged(&ours(), &server("<handlers />"), "deploy/web.config").unwrap_err();
    let said = error.to_string();
    assert_eq!(
        said,
        "`deploy/web.config` cannot be the site's `web.config`: system.webServer/handlers: who answers a request is \
         Holdall's to say"
    );
    let (_, notices) = merged(&ours(), &server("<rewrite />"), "deploy/web.config").unwrap();
    assert!(notices[0].what.starts_with("`deploy/web.config`: `system.webServer/rewrite`"), "{notices:?}");
}
