//! An IIS for tests, in memory: takes the commands of a plan, and answers those of a survey as appcmd prints them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use quick_xml::escape::escape;

use crate::site::iis::actual::{Actual, Answer, SurveyError, WEBDAV_MODULE, survey};
use crate::site::iis::netsh::{self, Endpoint, Entry};
use crate::site::iis::run::Runner;
use crate::site::iis::section::Section;
use crate::site::iis::wanted::Spot;
use crate::site::iis::{Call, Change};

type Values = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub pools: BTreeMap<String, Values>,
    pub stopped_pools: BTreeSet<String>,
    pub sites: BTreeMap<String, Site>,
    /// Attributes, then variables.
    pub fastcgi: Vec<(Values, Values)>,
    /// By location and section.
    pub locations: BTreeMap<(String, String), Values>,
    pub global_modules: Vec<&'static str>,
    /// As ASP.NET's setup leaves it.
    pub handlers_open: bool,
    pub windows_authentication: bool,
    /// The table of http.sys.
    pub certificates: BTreeMap<Endpoint, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Site {
    pub bindings: Vec<Values>,
    pub auto_start: bool,
    pub started: bool,
    pub limits: Values,
    pub apps: BTreeMap<String, App>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct App {
    pub pool: String,
    pub vdirs: BTreeMap<String, Values>,
}

impl Server {
    /// One with the CGI feature alone, and a site of somebody else's.
    pub fn new() -> Server {
        let mut server = Server {
            pools: [("DefaultAppPool".to_owned(), Values::new())].into(),
            stopped_pools: BTreeSet::new(),
            sites: BTreeMap::new(),
            fastcgi: Vec::new(),
            locations: BTreeMap::new(),
            global_modules: vec!["StaticFileModule", "FastCgiModule"],
            handlers_open: false,
            windows_authentication: false,
            certificates: BTreeMap::new(),
        };
        let line =
            ["add", "site", "/name:Intranet", "/bindings:http/*:8000:", r"/physicalPath:C:\inetpub\wwwroot"];
        assert_eq!(server.change(&line.map(str::to_owned)), Ok(()));
        server
    }

    pub fn survey(&mut self, spot: &Spot) -> Actual {
        survey(&spot.scope(), |commands| {
            Ok::<_, SurveyError>(self.ask(commands).expect("nothing is started"))
        })
        .unwrap()
    }

    #[track_caller]
    pub fn perform(&mut self, changes: &[Change]) {
        crate::site::iis::run::perform(self, "appcmd".as_ref(), changes).unwrap();
    }

    fn change(&mut self, args: &[String]) -> Result<(), i32> {
        let (verb, object) = (args[0].as_str(), args[1].as_str());
        let identifier = args.get(2).filter(|word| !word.starts_with('/')).map(String::as_str);
        let words = || args[2..].iter().filter_map(|word| word.strip_prefix('/'));
        let items = |sign: char| words().filter_map(move |word| word.strip_prefix(sign)).map(str::to_owned);
        let edit = words().find(|word| word.starts_with('[') || word.starts_with("bindings.["));
        let properties: Values = words()
            .filter(|word| {
                word.starts_with(|c: char| c.is_ascii_alphabetic()) && !word.starts_with("bindings.[")
            })
            .filter_map(|word| word.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let value = |name: &str| properties.get(name).cloned();
        match (verb, object) {
            ("add", "apppool") => {
                let mut settings = properties.clone();
                let name = settings.remove("name").ok_or(2)?;
                self.pools.insert(name, settings).map_or(Ok(()), |_| Err(183))
            }
            ("set", "apppool") => {
                let pool = self.pools.get_mut(identifier.ok_or(87)?).ok_or(1168)?;
                pool.extend(properties);
                for item in items('-') {
                    pool.remove(&item).ok_or(4312)?;
                }
                items('+').for_each(|item| drop(pool.insert(item, String::new())));
                Ok(())
            }
            ("start" | "stop", "apppool") => {
                let name = identifier.ok_or(87)?.to_owned();
                self.pools.get(&name).ok_or(1168)?;
                match verb {
                    "stop" => drop(self.stopped_pools.insert(name)),
                    _ => drop(self.stopped_pools.remove(&name)),
                }
                Ok(())
            }
            ("delete", "apppool") => self.pools.remove(identifier.ok_or(87)?).map(drop).ok_or(1168),
            ("add", "site") => {
                let binding = |text: &str| {
                    let (protocol, information) = text.split_once('/')?;
                    Some(values(&[("protocol", protocol), ("bindingInformation", information)]))
                };
                let mut site = Site {
                    bindings: value("bindings").ok_or(2)?.split(',').filter_map(binding).collect(),
                    auto_start: value("serverAutoStart").is_none_or(|auto| auto == "true"),
                    ..Site::default()
                };
                site.started = site.auto_start;
                let root = values(&[("physicalPath", &value("physicalPath").ok_or(2)?)]);
                let app = App { pool: "DefaultAppPool".to_owned(), vdirs: [("/".to_owned(), root)].into() };
                site.apps.insert("/".to_owned(), app);
                self.sites.insert(value("name").ok_or(2)?, site).map_or(Ok(()), |_| Err(183))
            }
            ("set", "site") => {
                let site = self.sites.get_mut(identifier.ok_or(87)?).ok_or(1168)?;
                if let Some(auto) = value("serverAutoStart") {
                    site.auto_start = auto == "true";
                }
                let limits = properties.iter().filter_map(|(name, value)| {
                    Some((name.strip_prefix("limits.")?.to_owned(), value.clone()))
                });
                site.limits.extend(limits);
                if let Some((found, name, value)) = edit.and_then(edited) {
                    let binding =
                        site.bindings.iter_mut().find(|binding| has(binding, &found)).ok_or(4312)?;
                    binding.insert(name, value);
                }
                site.bindings.extend(items('+').map(|item| pairs(&item)));
                for gone in items('-').map(|item| pairs(&item)) {
                    let before = site.bindings.len();
                    site.bindings.retain(|binding| !has(binding, &gone));
                    if site.bindings.len() == before {
                        return Err(4312);
                    }
                }
                Ok(())
            }
            ("start" | "stop", "site") => {
                self.sites.get_mut(identifier.ok_or(87)?).ok_or(1168)?.started = verb == "start";
                Ok(())
            }
            ("delete", "site") => self.sites.remove(identifier.ok_or(87)?).map(drop).ok_or(1168),
            ("add", "app") => {
                let site = self.sites.get_mut(&value("site.name").ok_or(2)?).ok_or(1168)?;
                let root = values(&[("physicalPath", &value("physicalPath").ok_or(2)?)]);
                let app = App { pool: "DefaultAppPool".to_owned(), vdirs: [("/".to_owned(), root)].into() };
                site.apps.insert(value("path").ok_or(2)?, app).map_or(Ok(()), |_| Err(183))
            }
            ("set", "app") => {
                self.app(identifier.ok_or(87)?).ok_or(50)?.pool = value("applicationPool").ok_or(87)?;
                Ok(())
            }
            ("delete", "app") => {
                let (site, path) = identifier.and_then(|name| name.split_once('/')).ok_or(87)?;
                let apps = &mut self.sites.get_mut(site).ok_or(1168)?.apps;
                apps.remove(&format!("/{path}")).map(drop).ok_or(50)
            }
            ("add", "vdir") => {
                let mut settings = properties.clone();
                let (app, path) = (settings.remove("app.name").ok_or(2)?, settings.remove("path").ok_or(2)?);
                self.app(&app).ok_or(1168)?.vdirs.insert(path, settings).map_or(Ok(()), |_| Err(183))
            }
            ("set" | "delete", "vdir") => {
                let name = identifier.ok_or(87)?.to_owned();
                // The longest application that the name begins with.
                let (app, path) = ["/", ""]
                    .iter()
                    .filter_map(|slash| name.strip_suffix(slash).map(|app| (app.to_owned(), "/".to_owned())))
                    .chain(
                        name.rmatch_indices('/')
                            .map(|(at, _)| (name[..at].to_owned(), name[at..].to_owned())),
                    )
                    .find(|(app, path)| self.app(app).is_some_and(|app| app.vdirs.contains_key(path)))
                    .ok_or(50)?;
                let vdirs = &mut self.app(&app).ok_or(1168)?.vdirs;
                match verb {
                    "set" => vdirs.entry(path).or_default().extend(properties),
                    _ => drop(vdirs.remove(&path)),
                }
                Ok(())
            }
            ("set" | "unlock" | "lock" | "clear", "config") => {
                let section = value("section").ok_or(87)?;
                assert_eq!(value("commit").as_deref(), Some("apphost"), "{args:?}");
                if section.ends_with("fastCgi") {
                    return self.set_fastcgi(items('+').collect(), items('-').collect(), edit);
                }
                let known = Section::ALL.into_iter().find(|known| known.path() == section);
                let key = (identifier.ok_or(87)?.to_owned(), section);
                match verb {
                    "set" if known.is_some() => {
                        let values = self.locations.entry(key).or_default();
                        for word in
                            words().filter(|word| !word.starts_with("section:") && *word != "commit:apphost")
                        {
                            set_section(values, word)?;
                        }
                        Ok(())
                    }
                    "clear" | "lock" => {
                        self.locations.remove(&key);
                        Ok(())
                    }
                    "unlock" => {
                        self.locations.entry(key).or_default().insert("mode".into(), "Allow".into());
                        Ok(())
                    }
                    _ => {
                        let location = self.locations.entry(key).or_default();
                        let own = |name: &String| name != "section" && name != "commit";
                        location.extend(properties.into_iter().filter(|(name, _)| own(name)));
                        location.extend(items('-').map(|item| (item, "removed".to_owned())));
                        items('+').for_each(|item| drop(location.remove(&item)));
                        Ok(())
                    }
                }
            }
            _ => panic!("{args:?}"),
        }
    }

    fn netsh(&mut self, command: &netsh::Command) -> Answer {
        let endpoint = &command.endpoint;
        let there = self.certificates.get(endpoint).cloned();
        let (code, printed) = match (&command.verb, there) {
            (netsh::Verb::Show, Some(Entry { thumbprint, app_id, store, rest })) => {
                // As a server in English prints what may be otherwise here.
                let [verify, ask] = ["verifyclientcertrevocation=disable", "clientcertnegotiation=enable"]
                    .map(|word| rest.words().iter().any(|said| said == word));
                let word = |on: bool| if on { "Enabled" } else { "Disabled" };
                let strange = if rest.is_strange() { "N : Enabled\r\n" } else { "" };
                let rest = format!(
                    "E : {}\r\nF : Disabled\r\nG : Enabled\r\nH : 0\r\nI : 0\r\nJ : (null)\r\nK : (null)\r\n\
                     L : Disabled\r\nM : {}\r\n{strange}",
                    word(!verify),
                    word(ask)
                );
                let (hash, store) = (thumbprint.as_str(), store.as_deref().unwrap_or("(null)"));
                (
                    0,
                    format!(
                        "\r\n    A:b : {endpoint}\r\n    C : {hash}\r\n    D : {app_id}\r\n    E : {store}\r\n{rest}"
                    ),
                )
            }
            (netsh::Verb::Add(entry), None) => {
                self.certificates.insert(endpoint.clone(), entry.clone());
                (0, String::new())
            }
            (netsh::Verb::Delete, Some(_)) => {
                self.certificates.remove(endpoint);
                (0, String::new())
            }
            _ => (1, String::new()),
        };
        Answer { code, printed: printed.into_bytes() }
    }

    fn set_fastcgi(
        &mut self,
        added: Vec<String>,
        removed: Vec<String>,
        edit: Option<&str>,
    ) -> Result<(), i32> {
        let nested = "].environmentVariables.[";
        for item in &added {
            match item.split_once(nested) {
                None => self.fastcgi.push((pairs(item), Values::new())),
                Some((application, variable)) => {
                    let (found, variable) = (pairs(application), pairs(variable));
                    let entry = self.fastcgi.iter_mut().find(|(entry, _)| has(entry, &found)).ok_or(4312)?;
                    entry.1.insert(variable["name"].clone(), variable["value"].clone());
                }
            }
        }
        for item in &removed {
            match item.split_once(nested) {
                None => {
                    let gone = pairs(item);
                    let at = self.fastcgi.iter().position(|(entry, _)| has(entry, &gone)).ok_or(4312)?;
                    self.fastcgi.remove(at);
                }
                Some((application, variable)) => {
                    let (found, variable) = (pairs(application), pairs(variable));
                    let entry = self.fastcgi.iter_mut().find(|(entry, _)| has(entry, &found)).ok_or(4312)?;
                    entry.1.remove(&variable["name"]).ok_or(4312)?;
                }
            }
        }
        if let Some((found, name, value)) = edit.and_then(edited) {
            let entry = self.fastcgi.iter_mut().find(|(entry, _)| has(entry, &found)).ok_or(4312)?;
            entry.0.insert(name, value);
        }
        Ok(())
    }

    pub fn app(&mut self, name: &str) -> Option<&mut App> {
        let (site, path) = name.split_once('/').unwrap_or((name, ""));
        self.sites.get_mut(site)?.apps.get_mut(&format!("/{path}"))
    }

    fn list(&self, args: &[String]) -> Option<String> {
        let attributes = |values: &Values| -> String {
            values.iter().map(|(name, value)| format!(" {name}=\"{}\"", escape(value.as_str()))).collect()
        };
        let identifier = args.get(2).filter(|word| !word.starts_with('/')).cloned();
        let section = args.iter().find_map(|word| word.strip_prefix("/section:"));
        let config = |attributes: &str, inside: String| {
            let section = section.unwrap_or_default();
            let element = section.replace('/', "-");
            format!(
                "<CONFIG CONFIG.SECTION=\"{section}\"{attributes}><{element}{inside}</{element}></CONFIG>"
            )
        };
        let location = |section: &str| {
            self.locations
                .get(&(identifier.clone().unwrap_or_default(), section.to_owned()))
                .cloned()
                .unwrap_or_default()
        };
        let modules = |names: &[&str]| -> String {
            names.iter().map(|name| format!("<add name=\"{name}\" />")).collect()
        };
        Some(match (args[1].as_str(), section) {
            ("apppool", _) => self.pools.iter().map(|(name, settings)| {
                let part = |element: &str| -> Values {
                    let inside = |path: &str| Some(path.strip_prefix(element)?.strip_prefix('.')?.to_owned());
                    let settings = settings.iter().filter(|(path, _)| !path.contains('['));
                    settings.filter_map(|(path, value)| Some((inside(path)?, value.clone()))).collect()
                };
                let own = settings.iter().filter(|(path, _)| !path.contains('.'));
                let times = settings.keys().filter_map(|path| path.strip_prefix("recycling.periodicRestart.schedule."));
                let times: String = times.map(|time| format!("<add{} />", attributes(&pairs(time)))).collect();
                let own = own.map(|(path, value)| (path.clone(), value.clone())).collect();
                let state = if self.stopped_pools.contains(name) { "Stopped" } else { "Started" };
                format!(
                    "<APPPOOL APPPOOL.NAME=\"{name}\" state=\"{state}\"><add name=\"{name}\"{}><processModel{} />\
                     <recycling><periodicRestart{}><schedule>{times}</schedule></periodicRestart></recycling><failure{} />\
                     </add></APPPOOL>",
                    attributes(&own),
                    attributes(&part("processModel")),
                    attributes(&part("recycling.periodicRestart")),
                    attributes(&part("failure"))
                )
            }).collect(),
            ("app", _) => self.sites.iter().flat_map(|(name, site)| site.apps.iter().map(move |(path, app)| {
                format!("<APP path=\"{path}\" APP.NAME=\"{name}{path}\" APPPOOL.NAME=\"{}\" SITE.NAME=\"{name}\" />", app.pool)
            })).collect(),
            ("site", _) if identifier.is_none() => {
                let of_site = |(name, site): (&String, &Site)| {
                    let binding =
                        |binding: &Values| format!("{}/{}", binding["protocol"], binding["bindingInformation"]);
                    let bindings: Vec<_> = site.bindings.iter().map(binding).collect();
                    let state = if site.started { "Started" } else { "Stopped" };
                    format!("<SITE SITE.NAME=\"{name}\" bindings=\"{}\" state=\"{state}\" />", bindings.join(","))
                };
                self.sites.iter().map(of_site).collect()
            }
            ("site", _) => {
                let name = identifier?;
                let site = self.sites.get(&name)?;
                let bindings: String = site.bindings.iter().map(|binding| format!("<binding{} />", attributes(binding))).collect();
                let apps: String = site.apps.iter().map(|(path, app)| {
                    let vdirs: String = app.vdirs.iter().map(|(path, vdir)| format!("<virtualDirectory path=\"{path}\"{} />", attributes(vdir))).collect();
                    format!("<application path=\"{path}\" applicationPool=\"{}\">{vdirs}</application>", app.pool)
                }).collect();
                format!(
                    "<SITE SITE.NAME=\"{name}\" SITE.ID=\"2\" state=\"{}\"><site name=\"{name}\" serverAutoStart=\"{}\">\
                     <bindings>{bindings}</bindings><limits{} />{apps}</site></SITE>",
                    if site.started { "Started" } else { "Stopped" },
                    site.auto_start,
                    attributes(&site.limits)
                )
            }
            (_, Some("system.webServer/fastCgi")) => {
                let entries: String = self.fastcgi.iter().map(|(entry, environment)| {
                    let variables: String = environment.iter().map(|(name, value)| format!("<environmentVariable name=\"{name}\" value=\"{}\" />", escape(value.as_str()))).collect();
                    format!("<application{}><environmentVariables>{variables}</environmentVariables></application>", attributes(entry))
                }).collect();
                config("", format!(">{entries}"))
            }
            (_, Some("system.webServer/globalModules")) => config("", format!(">{}", modules(&self.global_modules))),
            (_, Some("system.webServer/modules")) => {
                let removed = location("system.webServer/modules");
                let gone = |name: &str| removed.contains_key(&format!("[name='{name}']"));
                let left: Vec<_> = self.global_modules.iter().copied().filter(|name| !gone(name)).collect();
                config("", format!(">{}", modules(&left)))
            }
            (_, Some("system.webServer/handlers")) => {
                let open = self.handlers_open || location("system.webServer/handlers").contains_key("mode");
                let attributes = format!(" overrideMode=\"Inherit\" locked=\"{}\"", !open);
                config(&attributes, ">".to_owned())
            }
            (_, Some(section)) => {
                let mut values = match section.rsplit('/').next().unwrap() {
                    "anonymousAuthentication" => values(&[("enabled", "true"), ("userName", "IUSR")]),
                    "windowsAuthentication" => values(&[
                        ("enabled", &self.windows_authentication.to_string()),
                        ("providers|Negotiate", ""),
                        ("providers|NTLM", ""),
                    ]),
                    "requestFiltering" => values(&[
                        ("requestLimits.maxAllowedContentLength", "30000000"),
                        ("requestLimits.maxUrl", "4096"),
                        ("requestLimits.maxQueryString", "2048"),
                    ]),
                    "staticContent" => values(&[
                        ("clientCache.cacheControlMode", "NoControl"),
                        ("clientCache.cacheControlMaxAge", "1.00:00:00"),
                        ("clientCache.cacheControlCustom", ""),
                    ]),
                    "urlCompression" => {
                        values(&[("doStaticCompression", "true"), ("doDynamicCompression", "true")])
                    }
                    _ => Values::new(),
                };
                // What is said above holds below.
                let location = identifier.clone().unwrap_or_default();
                for (end, _) in location.match_indices('/').chain([(location.len(), "")]) {
                    let own = self.locations.get(&(location[..end].to_owned(), section.to_owned()));
                    let own = own.cloned().unwrap_or_default();
                    if own.keys().any(|name| name.starts_with("providers|")) || own.contains_key("providers") {
                        values.retain(|name, _| !name.starts_with("providers|"));
                    }
                    values.extend(own);
                }
                config("", inside(&values))
            }
            _ => panic!("{args:?}"),
        })
    }
}

impl Runner for Server {
    fn run(&mut self, command: &Call) -> io::Result<Answer> {
        let args = command.args();
        if let Call::Netsh(command) = command {
            return Ok(self.netsh(command));
        }
        Ok(match args[0].as_str() {
            "list" => match self.list(&args) {
                Some(list) => Answer {
                    code: 0,
                    printed: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<appcmd>{list}</appcmd>")
                        .into(),
                },
                None => Answer { code: 1, printed: Vec::new() },
            },
            _ => Answer { code: self.change(&args).err().unwrap_or(0), printed: Vec::new() },
        })
    }

    fn wait(&mut self, _pause: Duration) {}
}

impl Server {
    pub fn with_web_dav(mut self) -> Server {
        self.global_modules.push(WEBDAV_MODULE);
        self
    }
}

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// `[a='b',c='d']`, whatever stands around the brackets.
fn pairs(item: &str) -> Values {
    let inner = item.trim_start_matches("bindings.").trim_start_matches('[').trim_end_matches(']');
    let mut pairs = Values::new();
    let mut rest = inner;
    while let Some((name, tail)) = rest.split_once("='") {
        let (value, tail) = tail.split_once('\'').unwrap();
        pairs.insert(name.trim_start_matches(',').to_owned(), value.to_owned());
        rest = tail;
    }
    pairs
}

/// One word of a command that changes a section. Items are kept as `list|name`.
fn set_section(values: &mut Values, word: &str) -> Result<(), i32> {
    let split = |item: &str| {
        let (list, rest) = item.split_once('[').unwrap();
        let (inner, rest) = rest.split_once(']').unwrap();
        let inner = inner.trim_start_matches("@end,");
        let attributes = pairs(&format!("[{inner}]"));
        let named = ["name", "fileExtension", "value"].iter().find_map(|key| attributes.get(*key));
        let value = ["value", "mimeType"].iter().find_map(|key| attributes.get(*key)).cloned();
        let key = format!("{}|{}", list.trim_end_matches('.'), named.unwrap());
        (key, value.unwrap_or_default(), rest.to_owned())
    };
    if let Some(item) = word.strip_prefix('+') {
        let (key, value, _) = split(item);
        let value = if key.starts_with("providers") { String::new() } else { value };
        return if values.insert(key, value).is_none() { Ok(()) } else { Err(183) };
    }
    if let Some(item) = word.strip_prefix('-') {
        let (key, ..) = split(item);
        // Inherited ones are taken out, too.
        if values.remove(&key).is_none() && key.starts_with("providers") {
            values.insert("providers".to_owned(), "other".to_owned());
        }
        return Ok(());
    }
    let (name, value) =
        word.split_once("].").map_or_else(|| word.split_once(':'), |_| None).unwrap_or((word, ""));
    if word.contains("].") {
        let (key, _, rest) = split(word);
        let (_, value) = rest.split_once(':').unwrap();
        values.insert(key, value.to_owned());
        return Ok(());
    }
    values.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// Attributes and elements of a section, from its end of the tag on.
fn inside(values: &Values) -> String {
    let attribute = |name: &str, value: &str| format!(" {name}=\"{}\"", escape(value));
    let mut own = String::new();
    let mut elements: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (path, value) in values {
        if let Some((list, name)) = path.split_once('|') {
            let item = match list {
                "" => {
                    format!("<mimeMap{}{} />", attribute("fileExtension", name), attribute("mimeType", value))
                }
                "providers" => format!("<add{} />", attribute("value", name)),
                _ => format!("<add{}{} />", attribute("name", name), attribute("value", value)),
            };
            let items = &mut elements.entry(list.to_owned()).or_default().1;
            // In the order in which they are installed, which is not that of their names.
            *items = if list == "providers" { format!("{item}{items}") } else { format!("{items}{item}") };
        } else if let Some((element, name)) = path.split_once('.') {
            elements.entry(element.to_owned()).or_default().0.push_str(&attribute(name, value));
        } else if path != "providers" {
            own.push_str(&attribute(path, value));
        }
    }
    let direct = elements.remove("").unwrap_or_default().1;
    let elements =
        elements.iter().map(|(name, (attributes, items))| format!("<{name}{attributes}>{items}</{name}>"));
    format!("{own}>{direct}{}", elements.collect::<String>())
}

/// `[a='b'].name:value`
fn edited(word: &str) -> Option<(Values, String, String)> {
    let (item, rest) = word.split_once("].")?;
    let (name, value) = rest.split_once(':')?;
    Some((pairs(item), name.to_owned(), value.to_owned()))
}

fn has(entry: &Values, wanted: &Values) -> bool {
    wanted.iter().all(|(name, value)| entry.get(name).is_some_and(|own| own == value))
}
