pub mod engine;
pub mod worker;
