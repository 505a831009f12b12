//! `countersign render`: prints wiring, one subcommand for each place that it goes to.

mod authentication_configuration;
mod exec;
mod kubeconfig;
mod openshift;
mod pki;
mod platform;
mod refusal;
mod webhook;

use super::Outcome;
use crate::wiring::platforms;

/// Prints the wiring for a platform.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    platform: Platform,
}

#[derive(clap::Subcommand)]
enum Platform {
    Kubeconfig(Box<kubeconfig::Arguments>),
    #[command(name = "openshift")]
    OpenShift(Box<openshift::Arguments>),
    Pki(Box<pki::Arguments>),
    Exec(Box<exec::Arguments>),
    /// Prints what kubeadm needs.
    Kubeadm(Box<platform::KubeadmArguments>),
    /// Prints what kind needs.
    Kind(Box<platform::Arguments>),
    /// Prints what Minikube needs.
    Minikube(Box<platform::Arguments>),
    /// Prints what K3s needs.
    K3s(Box<platform::Arguments>),
    /// Prints what RKE2 needs.
    Rke2(Box<platform::Arguments>),
    /// Prints what Talos Linux needs.
    Talos(Box<platform::TalosArguments>),
    /// Prints what kOps needs.
    Kops(Box<platform::Arguments>),
    /// Prints what Kubespray needs.
    Kubespray(Box<platform::Arguments>),
    /// Prints what Cluster API with the kubeadm control plane needs.
    ClusterApi(Box<platform::ClusterApiArguments>),
    /// Prints what vCluster needs.
    Vcluster(Box<platform::Arguments>),
    /// Prints what MicroK8s needs.
    Microk8s(Box<platform::Arguments>),
    /// Prints what k0s needs.
    K0s(Box<platform::Arguments>),
    AuthenticationConfiguration(authentication_configuration::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.platform {
        Platform::Kubeconfig(arguments) => kubeconfig::run(arguments),
        Platform::OpenShift(arguments) => openshift::run(arguments),
        Platform::Pki(arguments) => pki::run(arguments),
        Platform::Exec(arguments) => exec::run(arguments),
        Platform::Kubeadm(arguments) => platform::kubeadm(arguments),
        Platform::Kind(arguments) => platform::run(arguments, platforms::Platform::Kind),
        Platform::Minikube(arguments) => platform::run(arguments, platforms::Platform::Minikube),
        Platform::K3s(arguments) => platform::run(arguments, platforms::Platform::K3s),
        Platform::Rke2(arguments) => platform::run(arguments, platforms::Platform::Rke2),
        Platform::Talos(arguments) => platform::talos(arguments),
        Platform::Kops(arguments) => platform::run(arguments, platforms::Platform::Kops),
        Platform::Kubespray(arguments) => platform::run(arguments, platforms::Platform::Kubespray),
        Platform::ClusterApi(arguments) => platform::cluster_api(arguments),
        Platform::Vcluster(arguments) => platform::run(arguments, platforms::Platform::VCluster),
        Platform::Microk8s(arguments) => platform::run(arguments, platforms::Platform::MicroK8s),
        Platform::K0s(arguments) => platform::run(arguments, platforms::Platform::K0s),
        Platform::AuthenticationConfiguration(arguments) => authentication_configuration::run(arguments),
    }
}
