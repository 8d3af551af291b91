//! An error as it is told: what failed, why, what to do next. One value serves people and machines.
//!
//! Its words are already safe to print: a traceback or a name in an archive cannot steer the terminal.

use std::fmt;

use miette::{Diagnostic, MietteHandler, MietteHandlerOpts, ReportHandler as _};
use serde::Serialize;

use super::output::printable;

/// An error with all that is known of it, as plain text.
#[derive(Debug, Serialize)]
pub struct Report {
    pub error: String,
    /// From the nearest cause to the deepest.
    pub causes: Vec<String>,
    pub help: Option<String>,
    pub exit: u8,
}

impl Report {
    pub fn of(error: &crate::Error) -> Report {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            causes.push(printable(error.to_string().trim_end()));
            cause = error.source();
        }
        Report {
            error: printable(&error.to_string()),
            causes,
            help: help(error).map(|help| printable(&help)),
            exit: error.exit() as u8,
        }
    }

    /// Of a run that somebody has stopped.
    pub fn stopped(words: &str) -> Report {
        Report { error: words.to_owned(), causes: Vec::new(), help: None, exit: super::stop::CODE }
    }

    /// The text for people, wrapped for a terminal. Elsewhere lines are as long as they need to be.
    pub fn text(&self, on_terminal: bool) -> String {
        self.drawn(MietteHandlerOpts::new().wrap_lines(on_terminal))
    }

    /// No word is ever broken: a path or a command must survive being copied.
    fn drawn(&self, options: MietteHandlerOpts) -> String {
        let options = options.break_words(false).word_splitter(textwrap::WordSplitter::NoHyphenation);
        let handler = options.word_separator(textwrap::WordSeparator::AsciiSpace).build();
        let text = format!("{:?}", Drawn { handler, told: Told::new(self) });
        let lines = text.lines().map(str::trim_end).skip_while(|line| line.is_empty());
        lines.map(|line| format!("{line}\n")).collect()
    }
}

/// The help of the error itself, or of the nearest cause that has some.
fn help(error: &dyn Diagnostic) -> Option<String> {
    error.help().map(|help| help.to_string()).or_else(|| help(error.diagnostic_source()?))
}

/// The form in which miette takes it.
#[derive(Debug)]
struct Told<'a> {
    words: &'a str,
    help: Option<&'a str>,
    cause: Option<Box<Cause>>,
}

/// What miette draws when it is asked for its debug form.
struct Drawn<'a> {
    handler: MietteHandler,
    told: Told<'a>,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handler.debug(&self.told, f)
    }
}

#[derive(Debug)]
struct Cause {
    words: String,
    cause: Option<Box<Cause>>,
}

impl Told<'_> {
    fn new(report: &Report) -> Told<'_> {
        let chain = report.causes.iter().rev();
        let cause = chain.fold(None, |cause, words| Some(Box::new(Cause { words: words.clone(), cause })));
        Told { words: &report.error, help: report.help.as_deref(), cause }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl std::error::Error for Told<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

impl Diagnostic for Told<'_> {
    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.help.map(|help| Box::new(help) as Box<dyn fmt::Display + 'b>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_stay_whole_and_nothing_steers_the_terminal() {
        let report = Report {
            error: "cannot read `/srv/a-very-long-name-of-a-folder/with-another-one-inside/and-more.txt`"
                .into(),
            causes: vec![printable("RuntimeError: \x1b[31mred\n\nhint: none")],
            help: Some("look at it".into()),
            exit: 1,
        };
        let options = || MietteHandlerOpts::new().unicode(true).color(false);
        assert_eq!(
            report.drawn(options().width(40)),
            "  × cannot read\n  │ `/srv/a-very-long-name-of-a-folder/with-another-one-inside/and-more.txt`\n  \
             ╰─▶ RuntimeError: \\u{1b}[31mred\n\n      hint: none\n  help: look at it\n"
        );
        let unwrapped = report.drawn(options().width(40).wrap_lines(false));
        assert!(unwrapped.starts_with("  × cannot read `/srv/a-very"), "{unwrapped}");
    }
}
