//! Commands for IIS as values: what is run, and what undoes it. Nothing here runs anything.

use std::fmt;

/// A program of Windows and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub program: &'static str,
    pub args: Vec<String>,
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for arg in &self.args {
            match arg.contains([' ', '"', '\'']) {
                true => write!(f, " \"{}\"", arg.replace('"', "\\\""))?,
                false => write!(f, " {arg}")?,
            }
        }
        Ok(())
    }
}

/// A change and its inverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub does: Invocation,
    pub undoes: Invocation,
}

/// The program that changes IIS; it is not on PATH.
pub const APPCMD: &str = "appcmd";

pub fn appcmd<const N: usize>(args: [&str; N]) -> Invocation {
    Invocation { program: APPCMD, args: args.map(str::to_owned).into() }
}

/// A pool for nothing but native modules.
pub fn add_pool(name: &str) -> Change {
    Change {
        does: appcmd(["add", "apppool", &format!("/name:{name}"), "/managedRuntimeVersion:"]),
        undoes: appcmd(["delete", "apppool", name]),
    }
}

/// A site on a port of this machine alone.
pub fn add_site(name: &str, port: u16, folder: &str) -> Change {
    Change {
        does: appcmd([
            "add",
            "site",
            &format!("/name:{name}"),
            &format!("/bindings:http/127.0.0.1:{port}:"),
            &format!("/physicalPath:{folder}"),
        ]),
        undoes: appcmd(["delete", "site", name]),
    }
}

/// Puts a site into a pool. The site's own end undoes it.
pub fn use_pool(site: &str, pool: &str) -> Invocation {
    appcmd(["set", "app", &format!("{site}/"), &format!("/applicationPool:{pool}")])
}

/// Serves another folder.
pub fn move_site(site: &str, folder: &str) -> Invocation {
    appcmd(["set", "vdir", &format!("{site}/"), &format!("/physicalPath:{folder}")])
}

/// A FastCGI application: IIS knows it by the pair of program and arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub program: String,
    pub arguments: String,
}

const FASTCGI: &str = "/section:system.webServer/fastCgi";
const HANDLERS: &str = "/section:system.webServer/handlers";

impl Application {
    pub fn new(program: impl Into<String>, arguments: impl Into<String>) -> Application {
        Application { program: program.into(), arguments: arguments.into() }
    }

    /// Registers it with one process, short limits and time to leave.
    pub fn add(&self) -> Change {
        let limits = "maxInstances='1',instanceMaxRequests='10000',idleTimeout='600',activityTimeout='30',\
                      requestTimeout='60',signalBeforeTerminateSeconds='5',stderrMode='IgnoreAndReturn200'";
        let key = self.key();
        Change {
            does: appcmd(["set", "config", FASTCGI, &format!("/+[{key},{limits}]"), "/commit:apphost"]),
            undoes: appcmd(["set", "config", FASTCGI, &format!("/-[{key}]"), "/commit:apphost"]),
        }
    }

    /// Changes one attribute of it.
    pub fn edit(&self, attribute: &str, value: &str) -> Invocation {
        let changed = format!("/[{}].{attribute}:{value}", self.key());
        appcmd(["set", "config", FASTCGI, &changed, "/commit:apphost"])
    }

    /// Gives it all requests of a site. Written into a location of applicationHost.config, as the section may be
    /// locked in web.config.
    pub fn handle(&self, site: &str) -> Change {
        let processor = match self.arguments.as_str() {
            "" => self.program.clone(),
            arguments => format!("{}|{arguments}", self.program),
        };
        let handler = format!(
            "/+[@start,name='{site}',path='*',verb='*',modules='FastCgiModule',scriptProcessor='{processor}',\
             resourceType='Unspecified',requireAccess='Script',responseBufferLimit='0']"
        );
        Change {
            does: appcmd(["set", "config", site, HANDLERS, &handler, "/commit:apphost"]),
            undoes: appcmd([
                "set",
                "config",
                site,
                HANDLERS,
                &format!("/-[name='{site}']"),
                "/commit:apphost",
            ]),
        }
    }

    fn key(&self) -> String {
        format!("fullPath='{}',arguments='{}'", self.program, self.arguments)
    }
}

/// The names of everything that is made. They are Holdall's own, so that what a killed run left can be removed.
pub struct Names {
    /// The folder below which all files lie.
    pub folder: String,
    pub pool: &'static str,
    /// A pool for a moment.
    pub new_pool: &'static str,
    /// The site that is asked, and its port.
    pub site: (&'static str, u16),
    /// A second one in the same pool.
    pub second: (&'static str, u16),
    /// One for a moment.
    pub third: (&'static str, u16),
}

impl Names {
    pub fn new(folder: impl Into<String>, ports: [u16; 3]) -> Names {
        Names {
            folder: folder.into(),
            pool: "holdall-facts",
            new_pool: "holdall-facts-new",
            site: ("holdall-facts", ports[0]),
            second: ("holdall-facts-2", ports[1]),
            third: ("holdall-facts-3", ports[2]),
        }
    }

    /// A file or folder below the folder.
    pub fn below(&self, name: &str) -> String {
        format!("{}\\{name}", self.folder)
    }

    /// The probe with a Python below `python`; `name` only tells applications apart.
    pub fn probe(&self, python: &str, name: &str) -> Application {
        let arguments = format!("-I -S -B {} {name}", self.below("probe.py"));
        Application::new(format!("{}\\python.exe", self.below(python)), arguments)
    }

    /// Everything that stands while the questions are asked.
    pub fn base(&self) -> Vec<Change> {
        let probe = self.probe("python", "first");
        vec![
            add_pool(self.pool),
            probe.add(),
            add_site(self.site.0, self.site.1, &self.below("one")),
            add_site(self.second.0, self.second.1, &self.below("one")),
            probe.handle(self.site.0),
            probe.handle(self.second.0),
        ]
    }

    /// The probe once more, by a fullPath that begins with a variable.
    pub fn variables(&self) -> Application {
        let Application { program, arguments } = self.probe("python", "variables");
        let rest = program.split_once('\\').map_or(program.as_str(), |(_, rest)| rest);
        Application::new(format!("%SystemDrive%\\{rest}"), arguments)
    }

    /// The probe once more, by a fullPath with blanks and in double quotes.
    pub fn quoted(&self) -> Application {
        let Application { program, arguments } = self.probe("python with blanks", "quoted");
        Application::new(format!("\"{program}\""), arguments)
    }

    /// The bridge as Holdall's bundles have it started.
    pub fn bridge(&self) -> Application {
        let config = self.below("bridge.toml");
        let arguments = format!("-s -B -X utf8 -m holdall_bridge --config {config}");
        Application::new(self.below(r"python\python.exe"), arguments)
    }

    /// What removes anything that a run before this one has left. Each may fail: mostly there is nothing.
    pub fn sweep(&self) -> Vec<Invocation> {
        let sites = [self.third.0, self.second.0, self.site.0];
        let handlers = sites.map(|site| self.bridge().handle(site));
        let sites = sites.map(|site| add_site(site, 0, ""));
        let probes = ["first", "other", "capitals"].map(|name| self.probe("python", name).add());
        let others =
            [self.variables(), self.probe("python with blanks", "bare"), self.quoted(), self.bridge()]
                .map(|it| it.add());
        let pools = [self.pool, self.new_pool].map(add_pool);
        let changes = handlers.into_iter().chain(sites).chain(probes).chain(others).chain(pools);
        changes.map(|change| change.undoes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_undone_backwards() {
        let names = Names::new(r"C:\holdall-facts", [5001, 5002, 5003]);
        let base = names.base();
        let shown = base.iter().map(|change| change.does.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(
            shown,
            r#"
appcmd add apppool /name:holdall-facts /managedRuntimeVersion:
appcmd set config /section:system.webServer/fastCgi "/+[fullPath='C:\holdall-facts\python\python.exe',arguments='-I -S -B C:\holdall-facts\probe.py first',maxInstances='1',instanceMaxRequests='10000',idleTimeout='600',activityTimeout='30',requestTimeout='60',signalBeforeTerminateSeconds='5',stderrMode='IgnoreAndReturn200']" /commit:apphost
appcmd add site /name:holdall-facts /bindings:http/127.0.0.1:5001: /physicalPath:C:\holdall-facts\one
appcmd add site /name:holdall-facts-2 /bindings:http/127.0.0.1:5002: /physicalPath:C:\holdall-facts\one
appcmd set config holdall-facts /section:system.webServer/handlers "/+[@start,name='holdall-facts',path='*',verb='*',modules='FastCgiModule',scriptProcessor='C:\holdall-facts\python\python.exe|-I -S -B C:\holdall-facts\probe.py first',resourceType='Unspecified',requireAccess='Script',responseBufferLimit='0']" /commit:apphost
appcmd set config holdall-facts-2 /section:system.webServer/handlers "/+[@start,name='holdall-facts-2',path='*',verb='*',modules='FastCgiModule',scriptProcessor='C:\holdall-facts\python\python.exe|-I -S -B C:\holdall-facts\probe.py first',resourceType='Unspecified',requireAccess='Script',responseBufferLimit='0']" /commit:apphost
"#
            .trim()
        );
    }

    #[test]
    fn what_a_killed_run_left_is_swept_whatever_it_was() {
        let names = Names::new(r"C:\holdall-facts", [5001, 5002, 5003]);
        let swept: Vec<Invocation> = names.sweep();
        let stood = names.base().into_iter().map(|change| change.undoes);
        assert!(stood.into_iter().all(|undone| swept.contains(&undone)));
        let sites = ["holdall-facts", "holdall-facts-2", "holdall-facts-3"];
        assert!(sites.iter().all(|site| swept.contains(&appcmd(["delete", "site", site]))));
        let (pools, applications): (Vec<_>, Vec<_>) =
            swept[6..].iter().partition(|command| command.args[1] == "apppool");
        assert_eq!((pools.len(), applications.len()), (2, 7));
        assert!(
            applications[5]
                .to_string()
                .contains(r#"fullPath='\"C:\holdall-facts\python with blanks\python.exe\"'"#)
        );
        assert!(
            applications[3].to_string().contains(r"fullPath='%SystemDrive%\holdall-facts\python\python.exe'")
        );
    }

    #[test]
    fn an_application_is_edited_and_handled_by_the_pair_that_names_it() {
        let plain = Application::new(r"C:\a b\python.exe", "");
        assert_eq!(
            plain.edit("idleTimeout", "700").to_string(),
            r#"appcmd set config /section:system.webServer/fastCgi "/[fullPath='C:\a b\python.exe',arguments=''].idleTimeout:700" /commit:apphost"#
        );
        assert!(plain.handle("s").does.args[4].contains(r"scriptProcessor='C:\a b\python.exe',"));
        assert_eq!(move_site("s", r"C:\two").to_string(), r"appcmd set vdir s/ /physicalPath:C:\two");
    }
}
