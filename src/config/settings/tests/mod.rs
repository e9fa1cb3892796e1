//! What each mistake is told, and what a right file comes to.

mod accepted;
mod refused;
mod secrets;
