//! The image of the action, run as others run it: with the command line of GitHub's own runner ([`line`], [`ends`],
//! [`failures`]), and by nektos/act from a workflow ([`act`]); and what it says to GitHub, held against GitHub's own
//! description by Prism ([`prism`]).
//!
//! The image is the real one, with the static binary and nothing else; the server is a sibling that it starts through the
//! mounted socket of the engine; GitHub is the fake, at an address that containers reach.

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
