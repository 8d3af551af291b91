//! Which prunings are in force: those of the recipes, without those that the project does not want.

use std::collections::BTreeSet;

use serde::Serialize;

use super::mentions::{Interest, Mentions};
use crate::packages::lock::normalized;
use crate::recipe::{PackageRecipes, Pruning};

/// The prunings that are in force.
#[derive(Debug, Clone)]
pub struct Prunings {
    recipes: PackageRecipes,
    whole: Whole,
    /// What the project's own modules mention.
    pub(super) project: Mentions,
}

/// Packages of which nothing is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    All,
    /// By normalized name.
    Only(BTreeSet<String>),
}

/// One pruning in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// The package that it is for; without one it is for all.
    pub package: Option<String>,
    pub what: String,
    pub reason: String,
}

impl Whole {
    /// These packages, by any name that means them.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a String>) -> Whole {
        Whole::Only(names.into_iter().map(|name| normalized(name)).collect())
    }
}

impl Prunings {
    pub fn new(recipes: PackageRecipes, whole: Whole) -> Prunings {
        Prunings { recipes, whole, project: Mentions::default() }
    }

    pub(in crate::packages) fn project(&self) -> &Mentions {
        &self.project
    }

    /// Those for one package, when all `packages` of the bundle are these.
    pub(in crate::packages) fn of(&self, package: &str, packages: &BTreeSet<&str>) -> Vec<&Pruning> {
        match &self.whole {
            Whole::All => Vec::new(),
            Whole::Only(names) if names.contains(package) => Vec::new(),
            Whole::Only(_) => self
                .recipes
                .of(package)
                .filter(|rule| !rule.needed_by.iter().any(|name| packages.contains(name.as_str())))
                .collect(),
        }
    }

    /// Those that hold for every package.
    pub(super) fn for_any(&self) -> impl Iterator<Item = &Pruning> {
        self.recipes.of("")
    }

    /// What would be left out of `packages`: for all of them first, then by package.
    pub fn in_force(&self, packages: &BTreeSet<&str>) -> Vec<InForce> {
        let one = |package: Option<&str>, rule: &Pruning| InForce {
            package: package.map(str::to_owned),
            what: rule.what.clone(),
            reason: rule.reason.clone(),
        };
        let (mut general, mut own) = (Vec::new(), Vec::new());
        for package in packages {
            for rule in self.of(package, packages) {
                match self.recipes.is_for_any(rule) {
                    true => general.push(one(None, rule)),
                    false => own.push(one(Some(package), rule)),
                }
            }
        }
        let mut seen = BTreeSet::new();
        general.retain(|rule| seen.insert((rule.what.clone(), rule.reason.clone())));
        general.extend(own);
        general
    }

    /// What the text of every module is searched for, whatever packages there are.
    pub(in crate::packages) fn interest(&self) -> Interest {
        let mut interest = Interest::default();
        for rule in self.recipes.all() {
            interest.modules.extend(rule.modules().map(str::to_owned));
            interest.words.extend(rule.unless.iter().cloned());
        }
        interest
    }
}
