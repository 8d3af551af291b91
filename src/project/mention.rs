//! Which settings module a `manage.py` or `wsgi.py` names, in the ways in which people write that.

use super::keys::is_module;
use super::source::{Kind, Reach, Statement, Token};

pub const VARIABLE: &str = "DJANGO_SETTINGS_MODULE";

/// One place that sets the variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub line: usize,
    /// The modules that the value may name. None: it is computed in a way that cannot be read.
    pub modules: Vec<String>,
    /// Whether it replaces a value that the environment already has.
    pub replaces: bool,
}

/// Finds all places in a file that set the variable.
pub fn mentions(statements: &[Statement]) -> Vec<Mention> {
    let mut mentions = Vec::new();
    for statement in statements {
        let tokens = statement.tokens.as_slice();
        for (at, token) in tokens.iter().enumerate() {
            let keyword = token.is_name(VARIABLE);
            // `django.conf` has the variable's name as a constant.
            if !keyword && token.text() != Some(VARIABLE) && !token.is_name("ENVIRONMENT_VARIABLE") {
                continue;
            }
            let rest = &tokens[at + 1..];
            let (value, subscript) = match rest {
                [close, equals, second, ..] if close.is_mark(']') && equals.is_mark('=') => {
                    if second.is_mark('=') {
                        continue;
                    }
                    (&rest[2..], true)
                }
                [equals, second, ..] if keyword && equals.is_mark('=') && !second.is_mark('=') => {
                    (argument(&rest[1..]), false)
                }
                [mark, ..] if !keyword && (mark.is_mark(',') || mark.is_mark(':')) => {
                    (argument(&rest[1..]), false)
                }
                _ => continue,
            };
            if value.is_empty() {
                continue;
            }
            let reads_itself = value.iter().any(|token| token.text() == Some(VARIABLE));
            mentions.push(Mention {
                line: token.line,
                modules: modules_in(value, statements),
                replaces: subscript && !reads_itself && statement.reach == Reach::Always,
            });
        }
    }
    mentions
}

/// The tokens up to the end of this argument.
fn argument(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') if depth == 0 => return &tokens[..at],
            Kind::Mark(')' | ']' | '}') => depth -= 1,
            Kind::Mark(',') if depth == 0 => return &tokens[..at],
            _ => {}
        }
    }
    tokens
}

/// The module names in an expression, and in what is assigned to the variables that it consists of.
fn modules_in(value: &[Token], statements: &[Statement]) -> Vec<String> {
    if is_computed(value) {
        return Vec::new();
    }
    let mut modules = literal_modules(value);
    for token in value {
        let Kind::Name(name) = &token.kind else { continue };
        for statement in statements {
            if let [target, equals, assigned @ ..] = statement.tokens.as_slice()
                && target.is_name(name)
                && equals.is_mark('=')
            {
                modules.extend(literal_modules(assigned));
            }
        }
    }
    let mut seen = Vec::new();
    modules.retain(|module| {
        !seen.contains(module) && {
            seen.push(module.clone());
            true
        }
    });
    modules
}

/// The literals of an expression that can be names of modules; none if the name is put together at run time.
fn literal_modules(tokens: &[Token]) -> Vec<String> {
    if is_computed(tokens) {
        return Vec::new();
    }
    let texts = tokens.iter().filter_map(Token::text);
    // Names of environment variables are upper case throughout.
    texts.filter(|text| is_module(text) && text.contains(char::is_lowercase)).map(str::to_owned).collect()
}

/// Whether an expression puts text together: what stands in it are then parts, and not what they give.
fn is_computed(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| match &token.kind {
        Kind::Formatted | Kind::Mark('+' | '%') => true,
        Kind::Name(name) => name == "format" || name == "join",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::source::statements;

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let found: Vec<String> =
            mentions(&statements(source)).into_iter().flat_map(|found| found.modules).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn the_usual_spellings_are_read() {
        for source in [
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
            "os.environ.setdefault(\n    \"DJANGO_SETTINGS_MODULE\",  # why\n    \"shop.settings\",\n)",
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'",
            "environ [ \"DJANGO_SETTINGS_MODULE\" ] = \"shop.settings\"",
            "os.environ.update({'DJANGO_SETTINGS_MODULE': 'shop.settings', 'X': 'y.z'})",
            "os.environ.update(DJANGO_SETTINGS_MODULE='shop.settings', X='y')",
            "os.putenv('DJANGO_SETTINGS_MODULE', 'shop.settings')",
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', os.environ.get('SHOP_SETTINGS', 'shop.settings'))",
            "module = 'shop.settings'\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', module)",
            "os.environ.setdefault(ENVIRONMENT_VARIABLE, 'shop.settings')",
            "def main():\n\tos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n",
            "if not os.getenv('DJANGO_SETTINGS_MODULE'):\n  os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'",
        ] {
            check(source, &["shop.settings"]);
        }
    }

    #[test]
    fn what_only_reads_the_variable_or_is_commented_out_names_nothing() {
        check("# os.environ['DJANGO_SETTINGS_MODULE'] = 'x.y'", &[]);
        check("if os.environ['DJANGO_SETTINGS_MODULE'] == 'x.y': pass", &[]);
        check("if 'DJANGO_SETTINGS_MODULE' not in os.environ: pass", &[]);
        check("os.environ.get('DJANGO_SETTINGS_MODULE')", &[]);
    }

    #[test]
    fn a_choice_gives_all_its_sides_and_a_computed_name_none() {
        check(
            "m = 'shop.prod' if 'SITE' in os.environ else 'shop.dev'\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', m)",
            &["shop.prod", "shop.dev"],
        );
        for value in ["f'shop.{name}'", "'shop.' + name", "'shop.settings_' + name", "'shop.%s' % name"] {
            check(&format!("os.environ.setdefault('DJANGO_SETTINGS_MODULE', {value})"), &[]);
            let source = format!("os.environ.setdefault('DJANGO_SETTINGS_MODULE', {value})");
            assert_eq!(mentions(&statements(&source)).len(), 1, "it is a mention all the same");
        }
    }

    #[test]
    fn a_part_of_a_computed_name_is_no_module() {
        for value in
            ["f'shop.settings.{env}'", "'shop.' + env", "'shop.{}'.format(env)", "'.'.join(['shop', env])"]
        {
            check(
                &format!(
                    "env = os.getenv('ENV', 'dev')\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', {value})"
                ),
                &[],
            );
            check(
                &format!(
                    "env = 'dev'\nname = {value}\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', name)"
                ),
                &[],
            );
        }
    }

    #[test]
    fn a_name_that_no_import_statement_could_hold_is_a_module_all_the_same() {
        check(
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop-2.production-settings'",
            &["shop-2.production-settings"],
        );
    }

    #[test]
    fn an_assignment_replaces_what_the_environment_says_and_a_default_does_not() {
        let replaces = |source: &str| mentions(&statements(source))[0].replaces;
        assert!(replaces("os.environ['DJANGO_SETTINGS_MODULE'] = 'a.b'"));
        assert!(!replaces("os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a.b')"));
        assert!(!replaces(
            "os.environ['DJANGO_SETTINGS_MODULE'] = os.getenv('DJANGO_SETTINGS_MODULE', 'a.b')"
        ));
        assert!(!replaces("if X:\n os.environ['DJANGO_SETTINGS_MODULE'] = 'a.b'"));
    }
}
