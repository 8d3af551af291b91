//! What the file says of sites, pools and FastCGI applications, with defaults filled in.
//!
//! Defaults are those of the elements `siteDefaults`, `applicationDefaults`, `virtualDirectoryDefaults` and
//! `applicationPoolDefaults`, then those of the schema.

use super::Config;
use crate::schema;
use crate::xml::Element;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub id: u32,
    pub server_auto_start: bool,
    pub bindings: Vec<Binding>,
    pub applications: Vec<Application>,
}

/// One `binding`: for http and https the information is `address:port:host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub protocol: String,
    pub information: String,
    pub ssl_flags: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// `/` or `/path`.
    pub path: String,
    pub pool: String,
    pub enabled_protocols: String,
    pub preload_enabled: bool,
    pub virtual_directories: Vec<VirtualDirectory>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualDirectory {
    /// `/` or `/path`, below its application.
    pub path: String,
    /// As it is written: with `%NAME%`.
    pub physical_path: String,
    /// Whether a `web.config` below its root counts.
    pub allow_sub_dir_config: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub name: String,
    pub auto_start: bool,
    pub managed_runtime_version: String,
    pub managed_pipeline_mode: String,
    pub start_mode: String,
    pub queue_length: u32,
    pub max_processes: u32,
    /// In seconds; 0 is never.
    pub idle_timeout: u64,
    pub identity_type: String,
    pub user_name: String,
    pub load_user_profile: bool,
    pub disallow_overlapping_rotation: bool,
    pub disallow_rotation_on_config_change: bool,
    /// In seconds; 0 is never.
    pub periodic_restart: u64,
    pub environment: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastCgiApplication {
    /// As it is written: with `%NAME%`, and with quotes where somebody wrote them.
    pub full_path: String,
    pub arguments: String,
    pub monitor_changes_to: String,
    pub stderr_mode: String,
    /// 0 lets IIS choose.
    pub max_instances: u32,
    pub idle_timeout: u32,
    pub activity_timeout: u32,
    pub request_timeout: u32,
    pub instance_max_requests: u32,
    pub signal_before_terminate_seconds: u32,
    pub protocol: String,
    pub queue_length: u32,
    pub flush_named_pipe: bool,
    pub rapid_fails_per_minute: u32,
    pub environment: Vec<(String, String)>,
}

impl Config {
    pub fn sites(&self) -> Vec<Site> {
        let Some(sites) = self.section(SITES) else { return Vec::new() };
        sites.children().filter(|child| child.name() == "site").map(|site| self::site(sites, site)).collect()
    }

    /// The site of this name, in any case of letters.
    pub fn site(&self, name: &str) -> Option<Site> {
        self.sites().into_iter().find(|site| site.name.to_lowercase() == name.to_lowercase())
    }

    pub fn pools(&self) -> Vec<Pool> {
        let Some(pools) = self.section(POOLS) else { return Vec::new() };
        let defaults = pools.child("applicationPoolDefaults");
        pools
            .children()
            .filter(|child| child.name() == "add")
            .map(|pool| self::pool(defaults, pool))
            .collect()
    }

    /// The pool of this name, in any case of letters.
    pub fn pool(&self, name: &str) -> Option<Pool> {
        self.pools().into_iter().find(|pool| pool.name.to_lowercase() == name.to_lowercase())
    }

    pub fn fastcgi_applications(&self) -> Vec<FastCgiApplication> {
        let Some(section) = self.section(FASTCGI) else { return Vec::new() };
        section.children().filter(|child| child.name() == "application").map(fastcgi).collect()
    }
}

const SITES: &str = "system.applicationHost/sites";
const POOLS: &str = "system.applicationHost/applicationPools";
const FASTCGI: &str = "system.webServer/fastCgi";

fn site(sites: &Element, site: &Element) -> Site {
    let read = Read::new(SITES, "site", vec![Some(site), sites.child("siteDefaults")]);
    let bindings = site.child("bindings").or_else(|| sites.descendant("siteDefaults/bindings"));
    let bindings = bindings.into_iter().flat_map(Element::children).filter(|child| child.name() == "binding");
    let applications = site.children().filter(|child| child.name() == "application");
    Site {
        name: read.text("name"),
        id: read.number("id"),
        server_auto_start: read.flag("serverAutoStart"),
        bindings: bindings.map(binding).collect(),
        applications: applications.map(|application| self::application(sites, site, application)).collect(),
    }
}

fn binding(binding: &Element) -> Binding {
    let read = Read::new(SITES, "site/bindings/binding", vec![Some(binding)]);
    Binding {
        protocol: read.text("protocol"),
        information: read.text("bindingInformation"),
        ssl_flags: read.number("sslFlags"),
    }
}

fn application(sites: &Element, site: &Element, application: &Element) -> Application {
    let defaults = [site, sites].map(|above| above.child("applicationDefaults"));
    let given = vec![Some(application), defaults[0], defaults[1]];
    let read = Read::new(SITES, "site/application", given);
    let directories = application.children().filter(|child| child.name() == "virtualDirectory");
    Application {
        path: read.text("path"),
        pool: match read.text("applicationPool") {
            // What IIS falls back to where nothing names a pool.
            none if none.is_empty() => "DefaultAppPool".to_owned(),
            pool => pool,
        },
        enabled_protocols: read.text("enabledProtocols"),
        preload_enabled: read.flag("preloadEnabled"),
        virtual_directories: directories
            .map(|directory| {
                let above = [application, site, sites].map(|above| above.child("virtualDirectoryDefaults"));
                let given = [Some(directory)].into_iter().chain(above).collect();
                let read = Read::new(SITES, "site/application/virtualDirectory", given);
                VirtualDirectory {
                    path: read.text("path"),
                    physical_path: read.text("physicalPath"),
                    allow_sub_dir_config: read.flag("allowSubDirConfig"),
                }
            })
            .collect(),
    }
}

fn pool(defaults: Option<&Element>, pool: &Element) -> Pool {
    let read = Read::new(POOLS, "add", vec![Some(pool), defaults]);
    let model = read.inside("processModel");
    let recycling = read.inside("recycling");
    let restart = recycling.inside("periodicRestart");
    Pool {
        name: read.text("name"),
        auto_start: read.flag("autoStart"),
        managed_runtime_version: read.text("managedRuntimeVersion"),
        managed_pipeline_mode: read.text("managedPipelineMode"),
        start_mode: read.text("startMode"),
        queue_length: read.number("queueLength"),
        max_processes: model.number("maxProcesses"),
        idle_timeout: model.seconds("idleTimeout"),
        identity_type: model.text("identityType"),
        user_name: model.text("userName"),
        load_user_profile: model.flag("loadUserProfile"),
        disallow_overlapping_rotation: recycling.flag("disallowOverlappingRotation"),
        disallow_rotation_on_config_change: recycling.flag("disallowRotationOnConfigChange"),
        periodic_restart: restart.seconds("time"),
        environment: variables(pool, "add"),
    }
}

fn fastcgi(application: &Element) -> FastCgiApplication {
    let read = Read::new(FASTCGI, "application", vec![Some(application)]);
    FastCgiApplication {
        full_path: read.text("fullPath"),
        arguments: read.text("arguments"),
        monitor_changes_to: read.text("monitorChangesTo"),
        stderr_mode: read.text("stderrMode"),
        max_instances: read.number("maxInstances"),
        idle_timeout: read.number("idleTimeout"),
        activity_timeout: read.number("activityTimeout"),
        request_timeout: read.number("requestTimeout"),
        instance_max_requests: read.number("instanceMaxRequests"),
        signal_before_terminate_seconds: read.number("signalBeforeTerminateSeconds"),
        protocol: read.text("protocol"),
        queue_length: read.number("queueLength"),
        flush_named_pipe: read.flag("flushNamedPipe"),
        rapid_fails_per_minute: read.number("rapidFailsPerMinute"),
        environment: variables(application, "environmentVariable"),
    }
}

fn variables(above: &Element, item: &str) -> Vec<(String, String)> {
    let variables = above.child("environmentVariables").into_iter().flat_map(Element::children);
    let text = |element: &Element, name| element.attribute(name).unwrap_or_default().to_owned();
    variables
        .filter(|child| child.name() == item)
        .map(|variable| (text(variable, "name"), text(variable, "value")))
        .collect()
}

/// Reads attributes: the first element that has one counts, then the schema's default.
struct Read<'a> {
    section: &'static str,
    /// The path of the element below its section.
    below: String,
    given: Vec<Option<&'a Element>>,
}

impl<'a> Read<'a> {
    fn new(section: &'static str, below: &str, given: Vec<Option<&'a Element>>) -> Read<'a> {
        Read { section, below: below.to_owned(), given }
    }

    fn text(&self, name: &str) -> String {
        let written = self.given.iter().flatten().find_map(|element| element.attribute(name));
        written.unwrap_or_else(|| self.default(name)).to_owned()
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    /// What is no number counts as the default: a file with it is refused before it is served.
    fn number(&self, name: &str) -> u32 {
        self.text(name).parse().or_else(|_| self.default(name).parse()).unwrap_or_default()
    }

    fn seconds(&self, name: &str) -> u64 {
        schema::seconds(&self.text(name)).or_else(|| schema::seconds(self.default(name))).unwrap_or_default()
    }

    /// The same for an element inside.
    fn inside(&self, name: &str) -> Read<'a> {
        let given =
            self.given.iter().map(|element| element.and_then(|element| element.child(name))).collect();
        Read { section: self.section, below: format!("{}/{name}", self.below), given }
    }

    fn default(&self, name: &str) -> &'static str {
        default(self.section, &self.below, name)
    }
}

fn default(section: &str, below: &str, name: &str) -> &'static str {
    let section = schema::section(section).expect("a section of the table");
    let element = below.split('/').fold(&section.element, |element, part| {
        let item = element.items.as_ref().map(|items| &items.item).filter(|item| item.name == part);
        item.or_else(|| element.element(part)).expect("an element of the table")
    });
    element.attribute(name).expect("an attribute of the table").default.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const FILE: &str = r#"<configuration>
  <system.applicationHost>
    <applicationPools>
      <add name="Plain" />
      <add name="Own" managedRuntimeVersion=""><processModel idleTimeout="00:00:00" /></add>
      <applicationPoolDefaults managedRuntimeVersion="v4.0"><processModel loadUserProfile="true" /></applicationPoolDefaults>
    </applicationPools>
    <sites>
      <site name="Shop" id="2" serverAutoStart="false">
        <application path="/" applicationPool="Own">
          <virtualDirectory path="/" physicalPath="%SystemDrive%\shop" />
          <virtualDirectory path="/media" physicalPath="C:\media" allowSubDirConfig="false" />
        </application>
        <application path="/sub"><virtualDirectory path="/" physicalPath="C:\sub" /></application>
        <bindings><binding protocol="http" bindingInformation="*:80:" /></bindings>
      </site>
      <applicationDefaults applicationPool="Plain" />
    </sites>
  </system.applicationHost>
  <system.webServer>
    <fastCgi>
      <application fullPath="C:\python.exe" arguments="-m x" maxInstances="4">
        <environmentVariables><environmentVariable name="A" value="b" /></environmentVariables>
      </application>
    </fastCgi>
  </system.webServer>
</configuration>"#;

    #[test]
    fn what_is_not_written_comes_from_the_defaults_of_the_file_and_then_of_the_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("applicationHost.config");
        fs_err::write(&path, FILE).unwrap();
        let config = Config::load(&path).unwrap();
        let site = config.site("SHOP").unwrap();
        assert_eq!((site.id, site.server_auto_start), (2, false));
        assert_eq!(site.bindings[0].information, "*:80:");
        let pools: Vec<_> = site.applications.iter().map(|application| application.pool.as_str()).collect();
        assert_eq!(pools, ["Own", "Plain"]);
        let directories = &site.applications[0].virtual_directories;
        assert_eq!(directories[0].physical_path, r"%SystemDrive%\shop");
        assert!(directories[0].allow_sub_dir_config && !directories[1].allow_sub_dir_config);
        let [plain, own] = config.pools().try_into().unwrap();
        assert_eq!((plain.managed_runtime_version.as_str(), plain.idle_timeout), ("v4.0", 1200));
        assert_eq!(
            (own.managed_runtime_version.as_str(), own.idle_timeout, own.load_user_profile),
            ("", 0, true)
        );
        assert_eq!((own.periodic_restart, own.queue_length), (29 * 3600, 1000));
        let [application] = config.fastcgi_applications().try_into().unwrap();
        assert_eq!((application.max_instances, application.activity_timeout), (4, 70));
        assert_eq!(application.environment, [("A".to_owned(), "b".to_owned())]);
    }
}
