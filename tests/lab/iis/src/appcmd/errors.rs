//! How a command of appcmd fails: texts and exit codes.
//!
//! Sources, named at each: public issues (`owner/repository#number`), iis-docs, JexusManager's emulation, and public
//! logs with real output. Where only the code or only the words are known, the other is what Windows calls the same
//! error, and the comment says so.

use crate::config::{ConfigError, hresult};

/// What is printed, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: i32,
    pub text: String,
}

/// `ERROR ( message:... )` as most errors are.
fn message(exit: i32, message: &str) -> Failure {
    Failure { exit, text: format!("ERROR ( message:{message} )\r\n") }
}

/// `ERROR ( hresult:..., message:... )` as errors of commits and of WAS are; the exit code is the low half.
fn with_hresult(hresult: u32, message: &str) -> Failure {
    let exit = i32::try_from(hresult & 0xffff).expect("16 bits");
    Failure { exit, text: format!("ERROR ( hresult:{hresult:x}, message:{message}\r\n )\r\n") }
}

/// A second bare word; what an unquoted blank leads to. Public logs have the words; the code is the HRESULT's.
pub fn not_a_parameter(word: &str) -> Failure {
    let text = format!(
        "Failed to process input: The parameter '{word}' must begin with a / or - (HRESULT=80070057).\r\n"
    );
    Failure { exit: 87, text }
}

/// An object that doesn't exist, as JexusManager and issue azure-pipelines-extensions#187 have it. The double return is
/// the real one's own.
pub fn no_such_object(word: &str) -> Failure {
    let word = word.to_uppercase();
    let text =
        format!("Object '{word}' is not supported.  Run 'appcmd.exe /?' to display supported objects.\r\r\n");
    Failure { exit: 87, text }
}

/// A verb that an object doesn't have (JexusManager).
pub fn no_such_command(verb: &str, object: &str) -> Failure {
    let (verb, object) = (verb.to_uppercase(), object.to_uppercase());
    let text = format!(
        "Command '{verb}' is not supported on object '{object}'. Run 'appcmd.exe {object} /?'\r\r\nto display supported \
         commands.\r\r\n"
    );
    Failure { exit: 87, text }
}

/// Part of the real appcmd, and not of this one: a test that needs it must say so.
pub fn not_emulated(what: &str) -> Failure {
    Failure { exit: 120, text: format!("the lab's appcmd does not know: {what}\r\n") }
}

/// Issue MicrosoftLearning/AZ400#200: even `list` needs an elevated administrator; the words are in public logs.
pub fn not_elevated() -> Failure {
    let text = "ERROR ( message:Configuration error\r\nFilename: redirection.config\r\nLine Number: 0\r\n\
        Description: Cannot read configuration file due to insufficient permissions. )\r\n";
    Failure { exit: 5, text: text.to_owned() }
}

/// `list OBJECT NAME` of what isn't there says nothing at all (JexusManager).
pub fn nothing_found() -> Failure {
    Failure { exit: 1, text: String::new() }
}

/// JexusManager and public logs.
pub fn must_specify(object: &str) -> Failure {
    message(87, &format!("Must specify the {object} object with identifier."))
}

/// `add` without what it needs. No public source has the words.
pub fn must_specify_parameter(parameter: &str, object: &str) -> Failure {
    message(87, &format!("Must specify \"{parameter}\" parameter to add {object} object."))
}

/// The words are in public logs; that the code is that of wrong usage is not told.
pub fn unknown_attribute(name: &str) -> Failure {
    message(87, &format!("Unknown attribute \"{name}\".  Replace with -? for help."))
}

/// As for attributes; no public source tells more.
pub fn unknown_section(name: &str) -> Failure {
    message(87, &format!("Unknown config section \"{name}\".  Replace with ? for help."))
}

pub fn no_section() -> Failure {
    message(87, "Must specify the config section with /section.")
}

/// The words: issue iis-docs#539, where a shell ate the quotes. The code: issue IIS.ServiceMonitor#4.
pub fn malformed_indexer() -> Failure {
    message(
        13,
        "Malformed collection indexer; format is [@position,name='value',name2='value2',...].  The @position \
         specifier is optional, and be '@start', '@end', or '@N' where N is a numeric index into the collection.",
    )
}

/// The words end with ` . )`, as public issues have it; the code is not told there.
pub fn bad_value(name: &str, value: &str, reason: &str) -> Failure {
    message(13, &format!("Can not set attribute \"{name}\" to value \"{value}\".. Reason: {reason} ."))
}

/// A new element lacks a required attribute (2, as iis-docs say of AddElement), or has the keys of one that is there
/// (183, issue PTVS#1597): both are told in these words.
pub fn not_added(exit: i32, kind: &str, reason: &str) -> Failure {
    message(exit, &format!("New {kind} object missing required attributes. {reason}\r\n\r\n."))
}

/// Public issues, of sites that exist already.
pub fn duplicate(name: &str) -> Failure {
    message(183, &format!("Failed to add duplicate collection element \"{name}\"."))
}

/// Issue sous-chefs/iis#307, and JexusManager.
pub fn no_object(object: &str, identifier: &str) -> Failure {
    message(1168, &format!("Cannot find {object} object with identifier \"{identifier}\"."))
}

/// The identifier leads to an object above: issue azure-pipelines-tasks#17728. The word `identifer` is appcmd's own.
pub fn not_exact(object: &str, verb: &str) -> Failure {
    message(50, &format!("Must use exact identifer for {object} object with verb {}.", verb.to_uppercase()))
}

/// Issues microsoft/MSLab#491, microsoft/aspnet-docker#35.
pub fn no_element() -> Failure {
    message(4312, "Cannot find requested collection element.")
}

/// ERROR_INSUFFICIENT_BUFFER, at sites with very many bindings.
pub fn too_long() -> Failure {
    with_hresult(
        0x8007_007a,
        "Failed to generate item output.\r\nThe data area passed to a system call is too small.\r\n",
    )
}

/// A path that is none of the identifier's. No public source has the words.
pub fn bad_commit(path: &str) -> Failure {
    message(87, &format!("Cannot commit configuration changes to \"{path}\"."))
}

/// 0x80070021 as JexusManager has it; the words are those of the web server's 500.19.
pub fn locked() -> Failure {
    with_hresult(
        hresult::LOCKED,
        "Failed to commit configuration changes. \r\nThis configuration section cannot be used at this path. This \
         happens when the section is locked at a parent level. Locking is either by default \
         (overrideModeDefault=\"Deny\"), or set explicitly by a location tag with overrideMode=\"Deny\" or the \
         legacy allowOverride=\"false\".\r\n",
    )
}

pub fn locked_item() -> Failure {
    with_hresult(hresult::LOCKED, "Failed to commit configuration changes. \r\nLock violation\r\n")
}

/// What merging says of the configuration that a command needs, in the form of public logs.
pub fn violation(violation: &crate::config::Violation) -> Failure {
    let text = format!(
        "ERROR ( hresult:{:x}, message:Configuration error\r\nFilename: {}\r\nLine Number: {}\r\nDescription: {}. )\r\n",
        violation.hresult,
        violation.file.display(),
        violation.line,
        violation.message
    );
    Failure { exit: i32::try_from(violation.hresult & 0xffff).expect("16 bits"), text }
}

/// Issues OctopusDeploy/Issues#1269 and azure-pipelines-extensions#520, with code 32 after the words of success.
pub fn commit(error: &ConfigError) -> Failure {
    let failed = |reason: &str| {
        with_hresult(hresult::IN_USE, &format!("Failed to commit configuration changes. \r\n{reason}\r\n"))
    };
    match error {
        ConfigError::InUse { .. } => {
            failed("The process cannot access the file because it is being used by another process.")
        }
        // Issue IIS.Administration#324: .NET raises FileLoadException for it, as it does for sharing violations (32) and
        // lock violations (33); which of both it is, is not told.
        ConfigError::ChangedOnDisk { path } => failed(&format!(
            "Filename: {}\r\nError: Cannot commit configuration changes because the file has changed on disk",
            path.display()
        )),
        ConfigError::NotXml { path, source } => {
            let text = format!(
                "ERROR ( message:Configuration error\r\nFilename: {}\r\nLine Number: {}\r\nDescription: Configuration \
                 file is not well-formed XML. )\r\n",
                path.display(),
                source.line
            );
            Failure { exit: 13, text }
        }
        // Issue NuGetGallery#4127 has the words; the code is that of a file that isn't there.
        ConfigError::Unreadable(error) => Failure {
            exit: 2,
            text: format!(
                "ERROR ( message:Configuration error\r\nFilename: {error}\r\nLine Number: 0\r\nDescription: Cannot read \
                 configuration file\r\n. )\r\n"
            ),
        },
    }
}

/// What WAS and http.sys refuse. That a stopped pool can't be stopped is in issue azure-pipelines-tasks#12490, that WAS
/// doesn't know what was just made in public issues; the codes of services are Windows' names for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// ERROR_SERVICE_ALREADY_RUNNING
    Running,
    /// ERROR_SERVICE_NOT_ACTIVE
    NotRunning,
    /// ERROR_ALREADY_EXISTS: another site has the binding.
    BindingTaken,
    /// ERROR_OBJECT_NOT_FOUND, 0x800710d8: just made, and WAS doesn't know it yet.
    NotKnownYet,
}

/// The words are those of issue azure-pipelines-extensions#187.
pub fn refused(refusal: Refusal) -> Failure {
    let (hresult, reason) = match refusal {
        Refusal::Running => (0x8007_0420, "An instance of the service is already running."),
        Refusal::NotRunning => (0x8007_0426, "The service has not been started."),
        Refusal::BindingTaken => (0x8007_00b7, "Cannot create a file when that file already exists."),
        Refusal::NotKnownYet => (0x8007_10d8, "The object identifier does not represent a valid object."),
    };
    with_hresult(hresult, &format!("Command execution failed.\r\n{reason}\r\n"))
}
