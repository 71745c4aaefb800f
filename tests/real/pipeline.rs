//! The whole pipeline on real parts. What is counted, the servers counted.

mod account;
mod bad_input;
mod begun;
mod change;
mod crash;
mod cross_account;
mod exec;
mod http01;
mod iam;
mod import;
mod interrupted;
mod jenkins;
mod junit;
mod main_job;
mod pull;
mod refused;
mod scene;
mod served;
mod trouble;
