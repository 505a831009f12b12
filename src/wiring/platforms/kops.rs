//! kOps: file and flags are part of the cluster's specification. There is no field for the version.

use super::{Document, PlatformError, Request, Wiring, indented};
use crate::findings::Severity;
use crate::wiring::file::Access;
use crate::wiring::reviewer::ReviewVersion;

/// The one folder below /srv/kubernetes that is mounted into the API server's pod.
const PATH: &str = "/srv/kubernetes/kube-apiserver/countersign.kubeconfig";

pub(super) fn wire(request: &Request<'_>) -> Result<Wiring, PlatformError> {
    if request.version == Some(ReviewVersion::V1) {
        return Err(PlatformError::VersionFixed);
    }
    let content = format!(
        "spec:
  fileAssets:
    - name: countersign-kubeconfig
      path: {PATH}
      roles: [ControlPlane]
      mode: \"0600\"
      content: |
{}  kubeAPIServer:
    authenticationTokenWebhookConfigFile: {PATH}
    authenticationTokenWebhookCacheTtl: {}
",
        indented(&request.kubeconfig(), 8),
        request.ttl()
    );
    let specification = Document {
        file: "kops.yaml",
        place: "merge into `kops edit cluster`; it holds the key".into(),
        access: Access::Private,
        content,
    };
    let steps = vec![
        "kops edit cluster".to_owned(),
        "kops update cluster --yes".to_owned(),
        "kops rolling-update cluster --instance-group-roles control-plane --yes".to_owned(),
    ];
    let mut wiring = Wiring::new(vec![specification], steps);
    wiring.trap(
        "version_fixed",
        Severity::Info,
        "kOps has no field for the version, so the API server speaks v1beta1; countersign answers in the version it is asked in",
        "nothing to do; other webhooks would have to speak v1beta1 too",
    );
    wiring.trap(
        "key_in_state_store",
        Severity::Warning,
        "the kubeconfig, with its key, becomes part of the cluster's specification in the state store",
        "give nobody access to the state store who must not post reviews",
    );
    wiring.trap(
        "older_role_name",
        Severity::Info,
        "before kOps 1.26 the role is called Master",
        "write roles: [Master] there",
    );
    Ok(wiring)
}
