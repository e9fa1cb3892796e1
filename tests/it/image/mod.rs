//! The action's image, run by the command line of GitHub's runner ([`line`], [`ends`], [`failures`]), and by nektos/act from
//! a workflow ([`act`]); Prism validates its requests to GitHub with GitHub's description ([`prism`]).
//!
//! The image is the real one, with only the static binary. The server is a sibling container that it starts through the
//! mounted socket of the engine. GitHub is the fake, at an address that containers can reach.

mod act;
mod ends;
mod failures;
mod line;
mod network;
mod prism;
mod pull_request;
mod runner;
mod service;
mod step;
mod variables;
