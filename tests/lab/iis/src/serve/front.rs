//! A request in, an answer out: the site, the folder, what the configuration says of the path, the filter, the handler,
//! and the module that the handler names.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::oneshot;

use super::answer::{Answer, own};
use super::body::{Body, Serving};
use super::current::{Current, Snapshot};
use super::exchange::Exchange;
use super::instances::NoProcess;
use super::journal::Event;
use super::model::{Application, Folder, Site};
use super::pages::{self, Trouble};
use super::params::{Asked, User, params};
use super::route::{self, OnDisk};
use super::settings::{Handler, Settings};
use super::{files, filter, handlers, record, registered, sink};

/// Methods that a server with WebDAV keeps from all else.
const WEB_DAV: [&str; 9] =
    ["PROPFIND", "PROPPATCH", "MKCOL", "PUT", "COPY", "DELETE", "MOVE", "LOCK", "UNLOCK"];

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Whether there is TLS between.
    pub https: bool,
}

/// A request on its way through the server.
struct Visit<'a> {
    current: &'a Current,
    snapshot: &'a Snapshot,
    ends: Ends,
    parts: Parts,
    site: &'a Site,
    folder: &'a Folder,
    /// Decoded once.
    path: String,
    on_disk: OnDisk,
    /// The process that worked on it.
    process: Option<u32>,
    /// Who asks, where nobody gets in without a name.
    user: Option<User>,
}

pub async fn answer(
    current: &Current,
    ends: Ends,
    serving: Arc<Serving>,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (method, target) = (parts.method.clone(), parts.uri.clone());
    let snapshot = current.look();
    let told = |site: Option<&str>, status, trouble: Option<&Trouble>, process| {
        current.journal.tell(Event::Request {
            site,
            method: method.as_str(),
            path: target.path_and_query().map_or("/", |target| target.as_str()),
            status,
            substatus: trouble.map_or(0, |trouble| trouble.substatus),
            process,
            why: trouble.map(|trouble| &*trouble.why),
        });
    };
    let early = |trouble: Trouble, site: Option<&str>| {
        told(site, trouble.status, Some(&trouble), None);
        own(&Settings::default(), trouble).respond(&Settings::default())
    };
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(why) => return early(Trouble::new(500, 19, why), None),
    };
    let Some(site) = route::site(&snapshot.model, ends.local.port(), &host(&parts)) else {
        return early(Trouble::new(400, 0, "no site has this host"), None);
    };
    let name = Some(&*site.name);
    serving.begin(site.id);
    let Some(path) = route::canonical(parts.uri.path()) else {
        return early(Trouble::new(400, 0, "the path is none"), name);
    };
    let Some((folder, rest)) = route::folder(site, &path) else {
        return early(Trouble::new(404, 0, "the site has no application"), name);
    };
    if !snapshot.model.pools.get(&folder.pool).is_some_and(|pool| pool.is_started) {
        return early(
            Trouble::new(503, 0, format!("the application pool `{}` does not run", folder.pool)),
            name,
        );
    }
    let settings = match snapshot.settings(site, folder, rest) {
        Ok(settings) => settings,
        Err(refusal) => return early(Trouble::new(500, 19, refusal.to_string()), name),
    };
    let on_disk = route::on_disk(&folder.place, rest);
    let mut visit = Visit {
        current,
        snapshot: &snapshot,
        ends,
        parts,
        site,
        folder,
        path: path.clone(),
        on_disk,
        process: None,
        user: None,
    };
    let answer = visit.go(&settings, body).await.unwrap_or_else(|trouble| own(&settings, trouble));
    told(name, answer.status.as_u16(), answer.trouble.as_ref(), visit.process);
    let mut response = answer.respond(&settings);
    response.body_mut().hold(serving);
    response
}

impl Visit<'_> {
    async fn go(&mut self, settings: &Settings, body: Incoming) -> Result<Answer, Trouble> {
        let plus = self.snapshot.behaviour.plus;
        if let Some(substatus) = filter::refused(&settings.filtering, &self.parts, &self.path, plus) {
            return Err(Trouble::new(404, substatus, "request filtering refuses it"));
        }
        self.user = if settings.is_anonymous_allowed { None } else { user(&self.parts, settings) };
        if !settings.is_anonymous_allowed && self.user.is_none() {
            let trouble = Trouble::new(401, 2, "who asks has to say who they are");
            let mut answer = own(settings, trouble);
            for provider in settings.windows_providers.iter().flat_map(|name| HeaderValue::from_str(name)) {
                answer.headers.append(WWW_AUTHENTICATE, provider);
            }
            return Ok(answer);
        }
        let is_there = |module: &str| settings.modules.iter().any(|known| known == module);
        if is_there("WebDAVModule") && WEB_DAV.contains(&self.parts.method.as_str()) {
            // It looks at every request, whatever the handlers are, and is not set up for this site.
            return Err(Trouble::new(405, 0, "WebDAVModule takes this method"));
        }
        let handler = handlers::choose(settings, &self.path, self.parts.method.as_str(), &self.on_disk);
        let handler =
            handler.map_err(|(status, substatus)| Trouble::new(status, substatus, "no handler has it"))?;
        let modules: Vec<&str> = handler.modules.split(',').map(str::trim).collect();
        if let Some(missing) = modules.iter().find(|module| !is_there(module)) {
            let why =
                format!("Handler \"{}\" has a bad module \"{missing}\" in its module list", handler.name);
            return Err(Trouble::new(500, 21, why));
        }
        if modules.contains(&"FastCgiModule") {
            self.pass_on(settings, handler, body).await
        } else if modules.contains(&"StaticFileModule") {
            let found = std::mem::replace(&mut self.on_disk, OnDisk::Nothing);
            let (status, headers, bytes) = files::answer(&self.parts, &self.path, found, settings)?;
            Ok(Answer { status, headers, body: Body::whole(bytes), trouble: None })
        } else if modules.contains(&"ProtocolSupportModule") && self.parts.method == Method::OPTIONS {
            let headers = [(ALLOW, HeaderValue::from_static("OPTIONS, TRACE, GET, HEAD, POST"))];
            Ok(Answer {
                status: StatusCode::OK,
                headers: headers.into_iter().collect(),
                body: Body::whole(Vec::new()),
                trouble: None,
            })
        } else {
            Err(Trouble::new(501, 0, format!("nothing here does what `{}` does", handler.modules)))
        }
    }

    async fn pass_on(
        &mut self,
        settings: &Settings,
        handler: &Handler,
        body: Incoming,
    ) -> Result<Answer, Trouble> {
        let behaviour = self.snapshot.behaviour;
        let model = &self.snapshot.model;
        let application = registered::find(
            &model.applications,
            &handler.script_processor,
            behaviour.full_path,
            &self.snapshot.paths,
        )
        .ok_or_else(|| {
            let what = "scriptProcessor could not be found in <fastCGI> application configuration";
            Trouble::new(500, 0, format!("{} {what} (0x80070585)", handler.name))
        })?;
        if !registered::can_start(&application.full_path, behaviour.full_path) {
            return Err(Trouble::new(
                500,
                0,
                format!("`{}` was not found (0x80070002)", application.full_path),
            ));
        }
        let pool = model.pools.get(&self.folder.pool).ok_or_else(|| Trouble::new(503, 0, "no pool"))?;
        let own_processes = (!behaviour.are_processes_shared).then_some(self.site.id);
        let instances = self.current.workers.instances(
            (&self.folder.pool, pool),
            own_processes,
            application,
            behaviour.channel,
        );
        let lease = instances.lease().await.map_err(|none| {
            let status = if matches!(none, NoProcess::NotStarting(_)) { 500 } else { 503 };
            Trouble::new(status, 0, none.to_string())
        })?;
        self.process = Some(lease.0.process());
        let exchange = self.exchange(handler, application, body);
        let (sender, answered) = oneshot::channel();
        tokio::spawn(exchange.run(lease, sender));
        let (head, body) = match answered.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return Err(Trouble::new(500, 0, failure.to_string())),
            Err(_) => return Err(Trouble::new(500, 0, "the server failed")),
        };
        if pages::is_replaced(head.status.as_u16(), &settings.errors) {
            return Err(Trouble::new(head.status.as_u16(), 0, "the application says so"));
        }
        let body = match body {
            // A length that is not the body's would be taken as it stands.
            sink::Body::Whole(bytes) if head.headers.contains_key(CONTENT_LENGTH) => Body::unmeasured(bytes),
            sink::Body::Whole(bytes) => Body::whole(bytes),
            sink::Body::Stream(pieces) => Body::stream(pieces),
        };
        Ok(Answer { status: head.status, headers: head.headers, body, trouble: None })
    }

    fn exchange(&self, handler: &Handler, application: &Application, body: Incoming) -> Exchange<Incoming> {
        let behaviour = self.snapshot.behaviour;
        let roots = self.site.folders.iter();
        let root = roots
            .filter(|folder| folder.application == self.folder.application)
            .min_by_key(|folder| folder.path.len());
        let root = &root.unwrap_or(self.folder).physical_path;
        let below = self.path.get(self.folder.path.len()..).unwrap_or_default();
        let file = format!("{}{below}", self.folder.physical_path.trim_end_matches(['/', '\\']));
        // A path of Windows it is, wherever this runs.
        let file = if root.contains('\\') { file.replace('/', "\\") } else { file };
        let asked = Asked {
            parts: &self.parts,
            path: &self.path,
            site: self.site.id,
            application: &self.folder.application,
            application_folder: root,
            file: &file,
            local: self.ends.local,
            remote: self.ends.remote,
            user: self.user.as_ref(),
            https: self.ends.https,
        };
        let buffer = if behaviour.streams { handler.response_buffer_limit } else { usize::MAX };
        Exchange {
            begin: record::begin(&params(&asked, behaviour.habits)),
            body,
            activity_timeout: application.activity_timeout,
            request_timeout: application.request_timeout,
            stderr_mode: application.stderr_mode,
            buffer,
            hang_up: behaviour.hang_up,
        }
    }
}

/// Who somebody says to be. There are no accounts here: in the place of a ticket stands `DOMAIN\user` itself.
fn user(parts: &Parts, settings: &Settings) -> Option<User> {
    let (provider, account) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // `Negotiate:Kerberos` is offered as `Negotiate`.
    let offered = settings.windows_providers.iter().map(|name| name.split(':').next().unwrap_or(name));
    let provider = offered.into_iter().find(|name| name.eq_ignore_ascii_case(provider))?.to_owned();
    let is_account =
        account.split_once('\\').is_some_and(|(domain, user)| !domain.is_empty() && !user.is_empty());
    is_account.then(|| User { provider, account: account.to_owned() })
}

/// The host that is asked for, without its port.
fn host(parts: &Parts) -> String {
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = parts.uri.authority().map(|authority| authority.as_str()).or(named).unwrap_or_default();
    match named.parse::<hyper::http::uri::Authority>() {
        Ok(authority) => authority.host().to_owned(),
        Err(_) => String::new(),
    }
}
