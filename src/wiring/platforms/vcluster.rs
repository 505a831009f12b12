//! vCluster: the API server is part of a pod in the host cluster, so a secret is mounted there.

use super::{Document, Request, Wiring, flag_list, indented};
use crate::findings::Severity;
use crate::wiring::file::Access;

const FOLDER: &str = "/etc/countersign";

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let secret = Document {
        file: "secret.yaml",
        place: "the host cluster, in the namespace of the vCluster".into(),
        access: Access::Private,
        content: format!(
            "apiVersion: v1
kind: Secret
metadata:
  name: countersign-webhook
type: Opaque
stringData:
  webhook.kubeconfig: |
{}",
            indented(&request.kubeconfig(), 4)
        ),
    };
    let flags: Vec<(String, String)> = request
        .flags(&format!("{FOLDER}/webhook.kubeconfig"))
        .into_iter()
        .map(|(name, value)| (format!("--{name}"), value))
        .collect();
    let flags: Vec<(&str, String)> = flags.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let values = Document {
        file: "vcluster.yaml",
        place: "merge into the vcluster.yaml of `vcluster create --values`, or of the Helm release".into(),
        access: Access::Public,
        content: format!(
            "controlPlane:
  distro:
    k8s:
      enabled: true
      apiServer:
        extraArgs:
{}  statefulSet:
    persistence:
      addVolumes:
        - name: countersign
          secret:
            secretName: countersign-webhook
      addVolumeMounts:
        - name: countersign
          mountPath: {FOLDER}
          readOnly: true
",
            flag_list(&flags, 10)
        ),
    };
    let steps = vec![
        "kubectl -n NAMESPACE apply -f secret.yaml, in the host cluster".to_owned(),
        "vcluster create NAME --namespace NAMESPACE --upgrade --values vcluster.yaml".to_owned(),
    ];
    let mut wiring = Wiring::new(vec![secret, values], steps);
    wiring.trap(
        "own_issuer",
        Severity::Info,
        "the API server asks for its own audiences, which are those of the vCluster and not of the host cluster",
        "list them in server.apiAudiences if you set --api-audiences or --service-account-issuer",
    );
    wiring
}
