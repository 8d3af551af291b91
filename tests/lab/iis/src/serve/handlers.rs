//! Which handler has a request: the first one whose path, verb and kind of resource fit.

use super::route::OnDisk;
use super::settings::{Access, Handler, ResourceType, Settings};

/// Why no handler has it, as status and substatus.
pub type Unhandled = (u16, u16);

pub fn choose<'a>(
    settings: &'a Settings,
    path: &str,
    method: &str,
    on_disk: &OnDisk,
) -> Result<&'a Handler, Unhandled> {
    let mut is_only_the_verb_wrong = false;
    for handler in &settings.handlers {
        if !is_path(&handler.path, path) || !is_resource(handler.resource_type, on_disk) {
            continue;
        }
        if !is_verb(&handler.verb, method) {
            is_only_the_verb_wrong = true;
            continue;
        }
        return match handler.require_access {
            Some(needed) if !settings.access.contains(&needed) => Err(match needed {
                Access::Script | Access::Execute => (403, 1),
                Access::Read => (403, 2),
                Access::Write => (403, 3),
            }),
            _ => Ok(handler),
        };
    }
    Err(match on_disk {
        _ if is_only_the_verb_wrong => (405, 0),
        OnDisk::Nothing => (404, 0),
        _ => (404, 4),
    })
}

/// `*.php` means a name, `/a/*` or `a/*` the whole path.
fn is_path(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.to_lowercase(), path.to_lowercase());
    let name = path.rsplit('/').next().unwrap_or_default();
    pattern.split(',').map(str::trim).any(|pattern| match pattern.strip_prefix('/') {
        Some(rooted) => is_like(rooted, path.trim_start_matches('/')),
        None if pattern.contains('/') => is_like(pattern, path.trim_start_matches('/')),
        None => is_like(pattern, name),
    })
}

/// `*` stands for any number of characters.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| is_like(rest, &text[at..]))
        }),
    }
}

fn is_verb(verbs: &str, method: &str) -> bool {
    verbs.split(',').map(str::trim).any(|verb| verb == "*" || verb.eq_ignore_ascii_case(method))
}

fn is_resource(wanted: ResourceType, found: &OnDisk) -> bool {
    match wanted {
        ResourceType::Unspecified => true,
        ResourceType::File => matches!(found, OnDisk::File(_)),
        ResourceType::Directory => matches!(found, OnDisk::Folder(_)),
        ResourceType::Either => *found != OnDisk::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(name: &str, path: &str, verb: &str, resource_type: ResourceType) -> Handler {
        Handler {
            name: name.to_owned(),
            path: path.to_owned(),
            verb: verb.to_owned(),
            modules: "StaticFileModule".to_owned(),
            script_processor: String::new(),
            resource_type,
            require_access: Some(Access::Read),
            response_buffer_limit: 0,
        }
    }

    #[test]
    fn the_first_that_fits_has_the_request() {
        let handlers = vec![
            handler("php", "*.php", "GET,HEAD", ResourceType::Unspecified),
            handler("below", "/static/*", "*", ResourceType::File),
            handler("any", "*", "GET", ResourceType::Either),
        ];
        let settings = Settings { handlers, access: vec![Access::Read], ..Settings::default() };
        let (file, folder) = (OnDisk::File("f".into()), OnDisk::Folder("d".into()));
        let check = |path, method, on_disk: &OnDisk, expected: Result<&str, Unhandled>| {
            let found = choose(&settings, path, method, on_disk).map(|handler| &*handler.name);
            assert_eq!(found, expected, "{method} {path}");
        };
        check("/a/x.PHP", "get", &OnDisk::Nothing, Ok("php"));
        check("/x.php", "POST", &file, Err((405, 0)));
        check("/static/a/b", "POST", &file, Ok("below"));
        check("/static/a", "GET", &folder, Ok("any"));
        check("/static", "GET", &OnDisk::Nothing, Err((404, 0)));
        let nothing = Settings { access: Vec::new(), ..settings.clone() };
        assert_eq!(choose(&nothing, "/", "GET", &folder), Err((403, 2)));
        assert_eq!(choose(&Settings::default(), "/", "GET", &folder), Err((404, 4)));
    }
}
