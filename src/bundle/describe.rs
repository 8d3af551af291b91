//! What the stages have found out becomes a manifest.

use std::collections::BTreeSet;
use std::path::Path;

use crate::app::{Collected, SiteFacts};
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::manifest::{Django, FORMAT, Manifest, Python, Site, Version};
use crate::packages::{Lock, LockedWheel};
use crate::project::Project;
use crate::python::PythonVersion;
use crate::runtime::RuntimePlan;

/// All that a manifest tells of.
pub struct Known<'a> {
    pub project: &'a Project,
    pub runtime: &'a RuntimePlan,
    pub lock: &'a Lock,
    pub bridge: &'a LockedWheel,
    pub facts: &'a SiteFacts,
    pub collected: &'a Collected,
    /// Digest of the app's layer, when its files are other than the commit's.
    pub changed: Option<Sha256>,
    /// Digest of the holdall program.
    pub holdall: Sha256,
    /// The version of who compiled the modules.
    pub bytecode: Option<PythonVersion>,
}

/// What every stage has found out, put together. The layers are named when the bundle is assembled.
pub fn compose(known: &Known<'_>) -> Manifest {
    let Known { project, runtime, facts, .. } = known;
    let required: BTreeSet<&String> = project.config.env.required.iter().chain(&facts.environment).collect();
    let manage = Path::new("app").join(&project.manage);
    let manage = EntryPath::from_relative(&manage, runtime.target).expect("it is among the files of the app");
    Manifest {
        format: FORMAT,
        name: project.name.value.clone(),
        version: version(project, known.changed),
        target: runtime.target,
        python: Python::from(&runtime.layout),
        portable: runtime.portable,
        django: Django {
            version: facts.django_version.clone(),
            settings: project.settings.value.clone(),
            wsgi: project.wsgi.value.clone(),
            manage: manage.to_string(),
        },
        site: Site {
            static_url: facts.static_files.url.clone(),
            static_root: known.collected.static_root.clone(),
            hashed_static: facts.static_files.hashed,
            environment: required.into_iter().cloned().collect(),
            health: project.config.health().to_owned(),
            paths: facts.writable.table.clone(),
            migrations: facts.migrations.clone(),
            services: project.config.services.clone(),
        },
        longest_path: 0,
        glibc: None,
        lock: known.lock.digest,
        commit: project.commit.clone(),
        bridge: known.bridge.sha256,
        holdall: known.holdall,
        bytecode: known.bytecode,
        layers: Vec::new(),
    }
}

/// The version, and for a dirty tree what its files are.
fn version(project: &Project, changed: Option<Sha256>) -> Version {
    let Some(app) = changed else { return project.version.value.clone() };
    let suffix = format!("-dirty.{}", app.short());
    let mut clean = project.version.value.as_str().to_owned();
    clean.truncate(Version::LONGEST - suffix.len());
    Version::parse(&format!("{clean}{suffix}")).expect("a version stays one when it is cut and marked")
}
