//! Each situation of a pull request's checkout, with git and with the host: both find the same base.

use std::sync::Arc;

use super::*;
use crate::source::base::read_revisions;
use crate::source::revisions::{BaseRequest, Revisions};
use crate::source::testing::{GitHost, TestRepository, contents};
use crate::source::{RemoteRepo, RepositoryHost};

/// `main` has two commits; `feature` has the first of them, and one more. `origin/main` gets a third later.
struct Shop {
    origin: TestRepository,
    /// The commit at which `feature` left `main`.
    fork: String,
    /// `main` at the time of the event.
    tip: String,
    head: String,
    merge: String,
}

impl Shop {
    fn new() -> Self {
        let origin = TestRepository::new();
        let fork = origin.commit("m/1.sql", "one");
        let tip = origin.commit("m/2.sql", "two");
        origin.git(&["checkout", "--quiet", "-b", "feature", &fork]);
        let head = origin.commit("m/3.sql", "three");
        let mut shop = Self { origin, fork, tip, head, merge: String::new() };
        shop.merge = shop.merge_of(&shop.tip, &shop.head);
        shop
    }

    /// A merge as GitHub creates it for a pull request.
    fn merge_of(&self, base: &str, head: &str) -> String {
        self.origin.git(&["checkout", "--quiet", "--detach", base]);
        self.origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", head]);
        self.origin.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
        self.origin.git(&["update-ref", "refs/pull/7/head", head]);
        let merge = self.origin.git(&["rev-parse", "HEAD"]);
        self.origin.git(&["checkout", "--quiet", "main"]);
        merge
    }

    fn change(&self) -> ChangeRequest {
        ChangeRequest {
            title: "pull request #7".into(),
            head: Some(self.head.clone()),
            merge: Some(self.merge.clone()),
            merge_ref: Some("pull/7/merge".into()),
            branch: Some("main".into()),
            tip: Some(self.tip.clone()),
            repository: "acme/shop".into(),
        }
    }

    /// `main` gets one more commit.
    fn main_moves_on(&self) -> String {
        self.origin.git(&["checkout", "--quiet", "main"]);
        self.origin.commit("m/9.sql", "nine")
    }

    /// Checks that git and the host find this base in clones of `reference` with `depth`.
    async fn assert_base(&self, change: &ChangeRequest, reference: &str, base: &str, reason: &str) {
        for depth in [1, 2, 100] {
            let clone = self.origin.checkout_action(reference, depth);
            let by_git = read(&clone, change, None).await.unwrap();
            assert_eq!(commit(&by_git), base, "git, depth {depth}: {}", by_git.base.reason);
            assert!(by_git.base.reason.starts_with(reason), "{}", by_git.base.reason);
            let by_host = self.by_host(&clone, change).await.unwrap();
            assert_eq!(commit(&by_host), base, "host, depth {depth}: {}", by_host.base.reason);
            assert!(by_host.base.reason.starts_with(reason), "{}", by_host.base.reason);
            let files = |found: &Revisions| contents(found.base.files.as_ref().unwrap());
            assert_eq!(files(&by_git), files(&by_host));
        }
    }

    async fn assert_refused(&self, change: &ChangeRequest, reference: &str) {
        for depth in [1, 100] {
            let clone = self.origin.checkout_action(reference, depth);
            for found in [self.by_host(&clone, change).await, self.by_both(&clone, change).await] {
                let error = found.unwrap_err();
                assert!(matches!(error, SourceError::AnotherCommit { .. }), "{error}");
                assert!(error.to_string().contains("remove `ref`"), "{error}");
            }
        }
        let full = self.origin.clone(&[]);
        full.git(&["fetch", "--quiet", "origin", reference]);
        full.git(&["checkout", "--quiet", "FETCH_HEAD"]);
        let error = read(&full, change, None).await.unwrap_err();
        assert!(matches!(error, SourceError::AnotherCommit { .. }), "{error}");
    }

    fn remote_repo(&self, clone: &TestRepository) -> RemoteRepo {
        let host = Arc::new(GitHost::of(&self.origin)) as Arc<dyn RepositoryHost>;
        RemoteRepo { host, folder: clone.path().to_owned(), commit: None }
    }

    async fn by_host(
        &self,
        clone: &TestRepository,
        change: &ChangeRequest,
    ) -> Result<Revisions, SourceError> {
        let request = BaseRequest::Change(Box::new(change.clone()));
        self.remote_repo(clone).read(clone.path(), &request, &["m".into()], None).await
    }

    async fn by_both(
        &self,
        clone: &TestRepository,
        change: &ChangeRequest,
    ) -> Result<Revisions, SourceError> {
        read(clone, change, Some(&self.remote_repo(clone))).await
    }
}

async fn read(
    clone: &TestRepository,
    change: &ChangeRequest,
    remote_repo: Option<&RemoteRepo>,
) -> Result<Revisions, SourceError> {
    let request = BaseRequest::Change(Box::new(change.clone()));
    read_revisions(clone.path(), &request, &["m".into()], remote_repo).await
}

fn commit(found: &Revisions) -> &str {
    &found.base.revision.as_ref().unwrap().commit
}

const MERGE: &str = "first parent of the merge commit HEAD (pull/7/merge)";
const HEAD: &str = "merge base of HEAD, the head of pull request #7, with main at ";

#[tokio::test]
async fn a_merge_commit_has_its_first_parent() {
    let shop = Shop::new();
    shop.assert_base(&shop.change(), "refs/pull/7/merge", &shop.tip, MERGE).await;
    // Without the ref, the event's own commit identifies it.
    let clone = shop.origin.checkout_action("refs/pull/7/merge", 1);
    clone.git(&["update-ref", "-d", "refs/remotes/pull/7/merge"]);
    let found = read(&clone, &shop.change(), None).await.unwrap();
    assert_eq!(commit(&found), shop.tip);
    assert_eq!(found.base.reason, "first parent of the merge commit HEAD (pull request #7's)");
}

#[tokio::test]
async fn the_base_of_a_head_is_the_merge_base_and_not_the_events_base() {
    let shop = Shop::new();
    let change = shop.change();
    shop.assert_base(&change, "refs/pull/7/head", &shop.fork, HEAD).await;
    let clone = shop.origin.clone(&["--branch=feature"]);
    let found = read(&clone, &change, None).await.unwrap();
    let moved = format!(
        "{HEAD}{}; main has 1 commit that HEAD does not contain, so the merge can still fail",
        short(&shop.tip)
    );
    assert_eq!(found.base.reason, moved);
    let found = shop.by_host(&clone, &change).await.unwrap();
    assert_eq!(found.base.reason, format!("{moved}; read from GitHub"));
    // In tools that imitate the runner, the commit of the event is the head itself.
    let change = ChangeRequest { merge: Some(shop.head.clone()), ..change };
    shop.assert_base(&change, "refs/pull/7/head", &shop.fork, HEAD).await;
}

#[tokio::test]
async fn a_base_branch_that_has_moved_is_reported() {
    let shop = Shop::new();
    shop.main_moves_on();
    shop.assert_base(&shop.change(), "refs/pull/7/merge", &shop.tip, MERGE).await;
    let clone = shop.origin.checkout_action("refs/pull/7/merge", 1);
    let found = read(&clone, &shop.change(), None).await.unwrap();
    assert!(found.base.reason.contains("; main has newer commits"), "{}", found.base.reason);
    let found = shop.by_host(&clone, &shop.change()).await.unwrap();
    assert!(
        found.base.reason.contains("main has 1 commit that HEAD does not contain"),
        "{}",
        found.base.reason
    );
}

/// The event's base commit is older than what the branch has merged since.
#[tokio::test]
async fn a_branch_that_merged_its_base_has_the_commit_that_it_merged() {
    let mut shop = Shop::new();
    shop.origin.git(&["checkout", "--quiet", "feature"]);
    let merged = shop.main_moves_on();
    shop.origin.git(&["checkout", "--quiet", "feature"]);
    shop.origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge main", "main"]);
    shop.head = shop.origin.git(&["rev-parse", "HEAD"]);
    shop.merge = shop.merge_of(&merged, &shop.head);
    shop.assert_base(&shop.change(), "refs/pull/7/head", &merged, HEAD).await;
    shop.assert_base(&shop.change(), "refs/pull/7/merge", &merged, MERGE).await;
}

/// Two merge bases: one belongs to the base branch, the other was only on the feature branch. Git returns the newer one first.
#[tokio::test]
async fn histories_that_cross_have_the_merge_base_on_the_base_branchs_own_line() {
    for (own, others) in [(2_000, 1_000), (1_000, 2_000)] {
        let origin = TestRepository::new();
        let fork = origin.commit_at("m/1.sql", "one", 500);
        let tip = origin.commit_at("m/2.sql", "two", own);
        origin.git(&["checkout", "--quiet", "-b", "feature", &fork]);
        let first = origin.commit_at("m/3.sql", "three", others);
        origin.git(&["checkout", "--quiet", "main"]);
        origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge feature", &first]);
        let main = origin.git(&["rev-parse", "HEAD"]);
        origin.git(&["checkout", "--quiet", "feature"]);
        origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge main", &tip]);
        let head = origin.commit("m/4.sql", "four");
        let bases = origin.git(&["merge-base", "--all", &main, &head]);
        let named_first = if own > others { &tip } else { &first };
        assert!(bases.lines().count() == 2 && bases.starts_with(named_first.as_str()), "{bases}");
        origin.git(&["update-ref", "refs/pull/7/head", &head]);
        let shop = Shop { origin, fork, tip, head, merge: main };
        assert_own_line(&shop, &shop.tip).await;
    }
}

/// Both sides have merged the same two branches: neither merge base is a state of the base branch.
#[tokio::test]
async fn merge_bases_outside_the_base_branchs_line_give_its_newest_state_in_head() {
    for (a, b) in [(1_000, 2_000), (2_000, 1_000)] {
        let origin = TestRepository::new();
        origin.commit_at("m/1.sql", "one", 400);
        let fork = origin.commit_at("m/2.sql", "two", 500);
        for (name, date) in [("a", a), ("b", b)] {
            origin.git(&["checkout", "--quiet", "-b", name, &fork]);
            origin.commit_at(&format!("m/3{name}.sql"), name, date);
        }
        for (branch, names) in [("feature", ["b", "a"]), ("main", ["a", "b"])] {
            origin.git(&["checkout", "--quiet", "-B", branch, &fork]);
            for name in names {
                origin.git(&["merge", "--quiet", "--no-ff", "-m", name, name]);
            }
        }
        let tip = origin.git(&["rev-parse", "main"]);
        origin.git(&["checkout", "--quiet", "feature"]);
        let head = origin.commit("m/4.sql", "four");
        let bases = origin.git(&["merge-base", "--all", &tip, &head]);
        assert!(bases.lines().count() == 2 && !bases.contains(&fork), "{bases}");
        origin.git(&["update-ref", "refs/pull/7/head", &head]);
        let shop = Shop { origin, merge: tip.clone(), fork, tip, head };
        assert_own_line(&shop, &shop.fork).await;
    }
}

/// With the event, and without one.
async fn assert_own_line(shop: &Shop, base: &str) {
    shop.origin.git(&["checkout", "--quiet", "main"]);
    for depth in [1, 2, 100] {
        let clone = shop.origin.checkout_action("refs/pull/7/head", depth);
        let found = read(&clone, &shop.change(), None).await.unwrap();
        assert_eq!(commit(&found), base, "depth {depth}: {}", found.base.reason);
        let found = clone.revisions(&BaseRequest::Default).await.unwrap();
        assert_eq!(commit(&found), base, "depth {depth}: {}", found.base.reason);
        assert!(found.base.reason.contains("(of 2 merge bases, "));
    }
}

/// The event's base is no longer part of the base branch.
#[tokio::test]
async fn a_rewritten_base_branch_is_used_as_it_is_now() {
    let mut shop = Shop::new();
    // The change began at a commit that was later removed from the base branch.
    shop.origin.git(&["checkout", "--quiet", "-B", "feature", "main"]);
    shop.head = shop.origin.commit("m/3.sql", "three");
    shop.merge = shop.merge_of(&shop.tip, &shop.head);
    shop.origin.git(&["reset", "--quiet", "--hard", &shop.fork]);
    shop.assert_base(&shop.change(), "refs/pull/7/head", &shop.fork, HEAD).await;
    let other = shop.main_moves_on();
    assert_ne!(other, shop.tip);
    shop.assert_base(&shop.change(), "refs/pull/7/head", &shop.fork, HEAD).await;
    // The event's commit need not exist.
    let change = ChangeRequest { tip: Some("1".repeat(40)), ..shop.change() };
    shop.assert_base(&change, "refs/pull/7/head", &shop.fork, HEAD).await;
}

/// A repeated run after the merge: the base branch contains the whole change, and nothing would be pending.
#[tokio::test]
async fn a_merged_change_has_the_base_of_its_event() {
    let shop = Shop::new();
    shop.origin.git(&["checkout", "--quiet", "main"]);
    shop.origin.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", &shop.head]);
    shop.assert_base(&shop.change(), "refs/pull/7/head", &shop.fork, HEAD).await;
    shop.assert_base(&shop.change(), "refs/pull/7/merge", &shop.tip, MERGE).await;
    let clone = shop.origin.checkout_action("refs/pull/7/head", 1);
    let found = read(&clone, &shop.change(), None).await.unwrap();
    assert!(found.base.reason.contains("as the event has it; main now contains HEAD"));
    // An event without a base leaves nothing to compare with.
    let change = ChangeRequest { tip: None, ..shop.change() };
    for found in [read(&clone, &change, None).await, shop.by_host(&clone, &change).await] {
        let error = found.unwrap_err();
        assert!(matches!(error, SourceError::BaseMissing { .. }), "{error}");
        assert!(error.to_string().contains("the event names no base commit"), "{error}");
    }
}

#[tokio::test]
async fn a_change_into_another_feature_branch_is_compared_with_that() {
    let mut shop = Shop::new();
    let below = shop.head.clone();
    shop.origin.git(&["branch", "stack/one", &below]);
    shop.origin.git(&["checkout", "--quiet", "-b", "two", &below]);
    shop.head = shop.origin.commit("m/4.sql", "four");
    shop.merge = shop.merge_of(&below, &shop.head);
    let change = ChangeRequest {
        branch: Some("stack/one".into()),
        tip: Some(below.clone()),
        ..shop.change()
    };
    let reason = HEAD.replace("main", "stack/one");
    shop.assert_base(&change, "refs/pull/7/head", &below, &reason).await;
    shop.assert_base(&change, "refs/pull/7/merge", &below, MERGE).await;
    // The branch below is merged and deleted: a run of the old event still has its base.
    shop.origin.git(&["branch", "-D", "stack/one"]);
    shop.assert_base(&change, "refs/pull/7/head", &below, &reason).await;
    let clone = shop.origin.checkout_action("refs/pull/7/head", 1);
    let found = read(&clone, &change, None).await.unwrap();
    assert!(found.base.reason.ends_with("; stack/one no longer exists"), "{}", found.base.reason);
}

#[tokio::test]
async fn a_merge_group_has_the_base_that_it_names() {
    let shop = Shop::new();
    shop.main_moves_on();
    let change = ChangeRequest {
        title: "the merge group".into(),
        head: Some(shop.merge.clone()),
        tip: Some(shop.tip.clone()),
        repository: "acme/shop".into(),
        ..ChangeRequest::default()
    };
    let reason = "merge base of HEAD, the head of the merge group, with ";
    shop.assert_base(&change, "refs/pull/7/merge", &shop.tip, reason).await;
}

#[tokio::test]
async fn an_unrelated_commit_is_refused_and_one_that_contains_the_head_is_reported() {
    let shop = Shop::new();
    // The base branch, by mistake: nothing would be pending.
    shop.assert_refused(&shop.change(), "refs/heads/main").await;
    // An unrelated branch.
    shop.origin.git(&["checkout", "--quiet", "-b", "other", &shop.fork]);
    shop.origin.commit("m/5.sql", "five");
    shop.assert_refused(&shop.change(), "refs/heads/other").await;
    // The head was force-pushed since the event.
    shop.origin.git(&["checkout", "--quiet", "-B", "feature", &shop.fork]);
    shop.origin.commit("m/6.sql", "six");
    shop.assert_refused(&shop.change(), "refs/heads/feature").await;
    // A merge of another head under the same number does not belong to the event.
    let merge = shop.merge_of(&shop.tip, "feature");
    assert_ne!(merge, shop.merge);
    shop.assert_refused(&shop.change(), "refs/pull/7/merge").await;

    // A newer push after the event's head.
    shop.origin.git(&["checkout", "--quiet", "-B", "feature", &shop.head]);
    let newer = shop.origin.commit("m/6.sql", "six");
    shop.origin.git(&["checkout", "--quiet", "main"]);
    let full = shop.origin.clone(&["--branch=feature"]);
    let reason = format!(
        "merge base of HEAD, which contains the head {} of pull request #7 but is not the same commit, with main at ",
        short(&shop.head)
    );
    for found in
        [read(&full, &shop.change(), None).await, shop.by_host(&full, &shop.change()).await]
    {
        let found = found.unwrap();
        assert_eq!(commit(&found), shop.fork);
        assert!(found.base.reason.starts_with(&reason), "{}", found.base.reason);
    }
    assert_eq!(full.git(&["rev-parse", "HEAD"]), newer);
    // A newer merge by GitHub of the same head is also valid.
    let tip = shop.main_moves_on();
    shop.merge_of(&tip, &shop.head);
    shop.assert_base(&shop.change(), "refs/pull/7/merge", &tip, MERGE).await;
}

/// The owner of a fork controls its `main`.
#[tokio::test]
async fn a_forks_own_branches_are_not_used_for_the_base() {
    let shop = Shop::new();
    let fork = shop.origin.clone(&[]);
    // In the fork `main` already contains the whole change: compared with that, nothing would be pending.
    fork.git(&["update-ref", "refs/remotes/origin/main", &shop.head]);
    fork.git(&["checkout", "--quiet", "--detach", &shop.head]);
    fork.git(&["remote", "set-url", "origin", "https://github.com/mallory/shop.git"]);
    let found = read(&fork, &shop.change(), None).await.unwrap();
    assert_eq!(commit(&found), shop.fork);
    let why = "it is unknown whether main has newer commits: origin is mallory/shop, but the base repository is acme/shop";
    assert!(found.base.reason.ends_with(why), "{}", found.base.reason);
    // The host of the base's repository has it.
    shop.main_moves_on();
    let found = shop.by_both(&fork, &shop.change()).await.unwrap();
    assert_eq!(commit(&found), shop.fork);
    assert!(
        found.base.reason.contains("main has 2 commits that HEAD does not contain"),
        "{}",
        found.base.reason
    );
}

/// A clone without a remote.
#[tokio::test]
async fn without_a_remote_the_event_and_local_branches_are_used() {
    let shop = Shop::new();
    let local = shop.origin.clone(&[]);
    local.git(&["checkout", "--quiet", "--detach", &shop.head]);
    local.git(&["remote", "remove", "origin"]);
    let found = read(&local, &shop.change(), None).await.unwrap();
    assert_eq!(commit(&found), shop.fork);
    // The clone's branch is older than the event.
    local.git(&["update-ref", "refs/heads/main", &shop.fork]);
    local.git(&["checkout", "--quiet", "-B", "feature", &shop.tip]);
    let head = local.commit("m/3.sql", "three");
    let change = ChangeRequest { head: Some(head), ..shop.change() };
    let found = read(&local, &change, None).await.unwrap();
    assert_eq!(commit(&found), shop.tip, "{}", found.base.reason);
    // No branch, and a commit that does not exist anywhere.
    local.git(&["branch", "-D", "main"]);
    let lost = ChangeRequest { tip: Some("1".repeat(40)), ..change };
    let error = read(&local, &lost, None).await.unwrap_err();
    assert!(matches!(error, SourceError::BaseMissing { .. }), "{error}");
    assert!(error.to_string().contains(&"1".repeat(40)), "{error}");
}
