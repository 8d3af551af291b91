//! Which FastCGI application a handler means. Its scriptProcessor is `fullPath|arguments` of one, or `fullPath` alone of
//! one without arguments; there has to be an entry for it.

use super::model::Application;
use crate::lab::Paths;

/// How a handler's scriptProcessor and the `fullPath` of a FastCGI application are compared, and started: no public
/// source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullPath {
    pub is_case_compared: bool,
    pub are_variables_expanded: bool,
    /// Whether one with blanks can be started as it is, and in quotation marks.
    pub bare_blanks: bool,
    pub quoted_blanks: bool,
}

pub fn find<'a>(
    applications: &'a [Application],
    processor: &str,
    rules: FullPath,
    paths: &Paths,
) -> Option<&'a Application> {
    let (program, arguments) = processor.split_once('|').unwrap_or((processor, ""));
    let value =
        |text: &str| if rules.are_variables_expanded { paths.expanded(text) } else { text.to_owned() };
    let path = |text: &str| if rules.is_case_compared { value(text) } else { value(text).to_lowercase() };
    applications.iter().find(|application| {
        path(&application.full_path) == path(program) && value(&application.arguments) == value(arguments)
    })
}

/// Whether a program can be started the way it is written.
pub fn can_start(full_path: &str, rules: FullPath) -> bool {
    match bare(full_path) {
        _ if !full_path.contains(' ') => true,
        path if path.len() < full_path.len() => rules.quoted_blanks,
        _ => rules.bare_blanks,
    }
}

/// The path without the quotation marks that some write around one with blanks.
pub fn bare(full_path: &str) -> &str {
    full_path.strip_prefix('"').and_then(|path| path.strip_suffix('"')).unwrap_or(full_path)
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::application;
    use super::*;

    const LENIENT: FullPath = FullPath {
        is_case_compared: false,
        are_variables_expanded: true,
        bare_blanks: true,
        quoted_blanks: true,
    };

    #[test]
    fn program_and_arguments_both_have_to_be_registered() {
        let bridge = Application { arguments: r#"-m "b c""#.to_owned(), ..application("/p/python") };
        let applications = [application("/p/Python"), bridge];
        let found = |processor, rules| {
            find(&applications, processor, rules, &Paths::default())
                .map(|found| (&*found.full_path, &*found.arguments))
        };
        let strict = FullPath { is_case_compared: true, ..LENIENT };
        assert_eq!(found(r#"/P/python|-m "b c""#, LENIENT), Some(("/p/python", r#"-m "b c""#)));
        assert_eq!(found(r#"/P/python|-m "b c""#, strict), None);
        assert_eq!(found("/p/Python", strict), Some(("/p/Python", "")));
        assert_eq!(found("/p/python|-M", LENIENT), None);
    }

    #[test]
    fn blanks_and_variables_go_by_the_switches() {
        let paths = Paths { variables: [("Drive".to_owned(), "C:".to_owned())].into(), ..Paths::default() };
        let applications = [application(r"%drive%\p\python")];
        assert!(find(&applications, r"C:\p\python", LENIENT, &paths).is_some());
        let literal = FullPath { are_variables_expanded: false, ..LENIENT };
        assert!(find(&applications, r"C:\p\python", literal, &paths).is_none());
        let quoted = FullPath { bare_blanks: false, ..LENIENT };
        assert!(can_start("/a", quoted) && can_start("\"/a b\"", quoted) && !can_start("/a b", quoted));
        let bare = FullPath { quoted_blanks: false, ..LENIENT };
        assert!(!can_start("\"/a b\"", bare) && can_start("/a b", bare));
    }
}
