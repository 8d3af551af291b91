#![allow(clippy::unwrap_used)]

use super::*;
use crate::layer::{Content, Source};
use crate::recipe::Recipes;

/// The one recipe of these tests.
const RECIPE: &str = r#"
[[pruning]]
what = "tests"
reason = "only developers run them"
folders = ["**/tests"]
holds = ".py"
files = ["**/conftest.py"]
except = ["**/commands/**"]
overlook = ["shop/update.py"]

[[pruning]]
what = "stubs"
reason = "only editors read them"
files = ["**/*.pyi"]
unless = ["attach_stub"]

[[pruning]]
what = "translations"
reason = "compiled ones are read"
files = ["**/*.po"]
beside = { ".po" = ".mo" }
needed_by = ["polib"]
"#;

fn prunings(whole: Whole) -> Prunings {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("packages")).unwrap();
    fs_err::write(folder.path().join("packages/any.toml"), RECIPE).unwrap();
    Prunings::new(Recipes::read(Some(folder.path())).unwrap().packages, whole)
}

/// A project with one module of this text.
fn project(path: &str, text: &str) -> Source {
    let path = crate::entry::EntryPath::parse(path, crate::target::Target::WindowsX86_64).unwrap();
    Source { path, content: Content::Bytes(text.as_bytes().to_vec()), executable: false }
}

/// What goes of wheels whose files have these names and texts.
fn pruned(wheels: &[(&str, &[(&str, &str)])]) -> Vec<String> {
    pruned_by(&prunings(Whole::Only(BTreeSet::new())), wheels)
}

fn pruned_by(prunings: &Prunings, wheels: &[(&str, &[(&str, &str)])]) -> Vec<String> {
    let packages: BTreeSet<&str> = wheels.iter().map(|(package, _)| *package).collect();
    let surveyed: Vec<_> = wheels
        .iter()
        .map(|(package, files)| {
            let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
            let candidates = Candidates::of(&names, &prunings.of(package, &packages));
            let mut mentioned: BTreeMap<String, Mentions> = BTreeMap::new();
            for (number, (name, text)) in files.iter().enumerate() {
                let own = candidates.overlooks(name).then_some(*name);
                let source = candidates.part(number).or(own).unwrap_or_default();
                let more = mentions::mentions(name, text, &prunings.interest());
                mentioned.entry(source.to_owned()).or_default().add(more);
            }
            Surveyed { candidates, mentions: mentioned }
        })
        .collect();
    let decisions = decide(&surveyed, prunings.project());
    let gone = wheels.iter().zip(&decisions);
    gone.flat_map(|((_, files), gone)| gone.keys().map(|&number| files[number].0.to_owned())).collect()
}

const SHOP: [(&str, &str); 5] = [
    ("shop/__init__.py", "import os"),
    ("shop/tests/__init__.py", ""),
    ("shop/tests/data/a.txt", ""),
    ("shop/cart/tests/test_a.py", "from shop.cart import x"),
    ("shop/conftest.py", ""),
];

#[track_caller]
fn check(more: &[(&str, &str)], expected: &[&str]) {
    let files: Vec<_> = SHOP.iter().chain(more).copied().collect();
    let mut gone = pruned(&[("shop", &files)]);
    gone.sort();
    assert_eq!(gone, expected, "{more:?}");
}

const ALL: [&str; 4] =
    ["shop/cart/tests/test_a.py", "shop/conftest.py", "shop/tests/__init__.py", "shop/tests/data/a.txt"];

#[test]
fn what_nothing_imports_goes_with_its_whole_folder() {
    check(&[], &ALL);
    check(&[("shop/a.py", "tests = ['tests']")], &ALL);
    check(&[("shop/testing.py", "import shop")], &ALL);
}

#[test]
fn a_folder_that_a_module_imports_stays_with_all_that_is_in_it() {
    let but_tests = &ALL[..2];
    check(&[("shop/a.py", "from .tests import helper")], but_tests);
    check(&[("shop/a.py", "import shop.tests.data")], but_tests);
    check(&[("shop-1.dist-info/entry_points.txt", "[x]\na = shop.tests.run:main")], but_tests);
    check(&[("shop/a.py", "from . import conftest")], &[ALL[0], ALL[2], ALL[3]]);
    // A .pth file may have made the folder one of Python's path.
    check(&[("shop/a.py", "import cart.tests")], &ALL[1..]);
    // A name that is put together may mean any of them.
    check(&[("shop/a.py", "import_module(f'{name}.tests')")], &ALL[1..2]);
}

#[test]
fn what_stays_is_searched_in_turn() {
    check(
        &[("shop/a.py", "import shop.b.tests.x"), ("shop/b/tests/x.py", "from shop.cart.tests import y")],
        &[ALL[1], ALL[2], ALL[3]],
    );
    // Tests that import each other and are imported by nothing else go together.
    check(
        &[
            ("shop/b/tests/x.py", "from shop.cart.tests import y"),
            ("shop/cart/tests/y.py", "import shop.b.tests"),
        ],
        &["shop/b/tests/x.py", ALL[0], "shop/cart/tests/y.py", ALL[1], ALL[2], ALL[3]],
    );
}

#[test]
fn another_package_may_need_it() {
    let other: &[(&str, &str)] = &[("plugin.py", "from shop.tests.base import Base")];
    assert_eq!(pruned(&[("shop", &SHOP), ("plugin", other)]).len(), 2);
    let other: &[(&str, &str)] = &[("plugin/a.py", "from .tests import x; word = 'attach_stub'")];
    assert_eq!(pruned(&[("shop", &SHOP), ("plugin", other)]).len(), 4);
}

#[test]
fn the_project_may_need_it() {
    let after = |path: &str, text: &str| {
        let mut prunings = prunings(Whole::Only(BTreeSet::new()));
        prunings.heed(&[project(path, text)]);
        pruned_by(&prunings, &[("shop", &SHOP)]).len()
    };
    assert_eq!(after("app/site/settings.py", "INSTALLED_APPS = ['shop.tests', 'shop.cart']"), 2);
    assert_eq!(after("app/site/urls.py", "path('', include('shop.cart.tests.urls'))"), 3);
    assert_eq!(after("app/site/tests/a.py", "from shop.tests import Base"), 4);
    assert_eq!(after("app/site/tests.txt", "shop.tests"), 4);
}

#[test]
fn some_files_stay_whatever_a_pruning_says() {
    let kept = [
        ("shop/tests/fast.cp312-win_amd64.pyd", ""),
        ("shop/tests/fast.dll", ""),
        ("shop/tests/fast.cpython-312-x86_64-linux-gnu.so", ""),
        ("shop.libs/tests/libx.so.5", ""),
        ("shop/tests/LICENSE.txt", ""),
        ("shop-1.dist-info/tests/x.txt", ""),
        ("../../share/tests/x.txt", ""),
        ("shop/commands/tests/x.py", ""),
        ("tests/x.pth", ""),
        ("shop/templates/tests/list.html", ""),
        ("shop/static/tests/tests.js", ""),
    ];
    check(&kept, &ALL);
}

#[test]
fn a_word_or_a_package_can_keep_files() {
    let stubs = ("shop/a.pyi", "");
    check(&[stubs], &["shop/a.pyi", ALL[0], ALL[1], ALL[2], ALL[3]]);
    check(&[stubs, ("shop/b.py", "lazy.attach_stub(__name__, __file__)")], &ALL);
    check(
        &[stubs, ("shop/tests/b.py", "lazy.attach_stub(__name__, __file__)")],
        &["shop/a.pyi", ALL[0], ALL[1], ALL[2], "shop/tests/b.py", ALL[3]],
    );
    let locale: &[(&str, &str)] = &[("de.po", ""), ("de.mo", ""), ("fr.po", "")];
    assert_eq!(pruned(&[("shop", locale)]), ["de.po"]);
    assert_eq!(pruned(&[("shop", locale), ("polib", &[])]), [""; 0]);
}

#[test]
fn mentions_that_are_known_to_be_names_only_are_overlooked() {
    check(&[("shop/update.py", "re.sub('shop.tests', 'shop.test', text)")], &ALL);
    check(&[("shop/other.py", "re.sub('shop.tests', 'shop.test', text)")], &ALL[..2]);
}

#[test]
fn packages_can_be_left_whole() {
    let wheels: &[(&str, &[(&str, &str)])] = &[("shop", &SHOP), ("other", &[("other/a.pyi", "")])];
    assert_eq!(pruned_by(&prunings(Whole::All), wheels), [""; 0]);
    let shop = Whole::Only(BTreeSet::from(["shop".to_owned()]));
    assert_eq!(pruned_by(&prunings(shop), wheels), ["other/a.pyi"]);
}

#[test]
fn what_goes_is_summed_up_by_reason() {
    let prunings = prunings(Whole::Only(BTreeSet::new()));
    let rules = prunings.of("shop", &BTreeSet::new());
    let sums = sums("shop", [(rules[1], Some(5)), (rules[0], Some(7)), (rules[1], None)]);
    let told: Vec<_> = sums.iter().map(|sum| (sum.what.as_str(), sum.files, sum.bytes)).collect();
    assert_eq!(told, [("stubs", 2, 5), ("tests", 1, 7)]);
    assert_eq!(sums[0].reason, "only editors read them");
}
