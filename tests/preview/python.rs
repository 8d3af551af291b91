//! What stands for Python in the bundles of the stories: `manage.py` leaves what it was asked and told, and everything
//! else is the bridge, which is the test's responder.

#[cfg(unix)]
pub use unix::{PROGRAM, content};
#[cfg(windows)]
pub use windows::{PROGRAM, content};

#[cfg(unix)]
mod unix {
    pub const PROGRAM: &str = "python/bin/python3.12";

    pub fn content() -> Vec<u8> {
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n\
             *app/manage.py*) echo \"$*\" \"$DJANGO_SETTINGS_MODULE\" \"$GREETING\" \"$STRAY\" > \"$HOLDALL_SHARED/managed\"\n\
               echo migrated; test \"$GREETING\" != wrong;;\n\
             *) cp \"${{8}}\" \"${{8}}.read\"; HOLDALL_TEST_RESPONDER=serve exec '{}' --exact preview::responder_process --nocapture;;\n\
             esac\n",
            std::env::current_exe().unwrap().display()
        );
        script.into_bytes()
    }
}

/// Windows starts no scripts, so here it is this program itself, under another name.
#[cfg(windows)]
mod windows {
    use std::path::Path;

    use crate::preview::responder;

    pub const PROGRAM: &str = "python/python.exe";

    pub fn content() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    /// Runs before the tests would look at the command line, which is not theirs.
    #[used]
    #[unsafe(link_section = ".CRT$XCU")]
    static BEFORE_MAIN: extern "C" fn() = {
        extern "C" fn before_main() {
            let program = std::env::current_exe().unwrap();
            if program.file_name() == Path::new(PROGRAM).file_name() {
                play(std::env::args().skip(1).collect());
            }
        }
        before_main
    };

    fn play(args: Vec<String>) -> ! {
        let variable = |name| std::env::var(name).unwrap_or_default();
        if args.iter().any(|arg| arg.ends_with("app\\manage.py")) {
            let told = ["DJANGO_SETTINGS_MODULE", "GREETING", "STRAY"].map(variable).join(" ");
            let mark = Path::new(&variable("HOLDALL_SHARED")).join("managed");
            std::fs::write(mark, format!("{} {told}", args.join(" "))).unwrap();
            println!("migrated");
            std::process::exit(i32::from(variable("GREETING") == "wrong"));
        }
        assert_eq!(args[..7], ["-s", "-B", "-X", "utf8", "-m", "holdall_bridge", "--config"]);
        std::fs::copy(&args[7], format!("{}.read", args[7])).unwrap();
        responder::serve()
    }
}
