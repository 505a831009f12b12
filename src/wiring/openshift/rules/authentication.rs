//! Which webhook an `Authentication` puts in force, if any.

use super::super::INTEGRATED_SECRET;
use super::report::Report;
use super::{Authentication, Type};

const REFERENCE: &str = "spec.webhookTokenAuthenticator.kubeConfig.name";

pub(super) fn check(authentication: &Authentication<'_>, report: &mut Report) {
    let webhook = authentication.webhook();
    match authentication.kind {
        Type::None if webhook.is_empty() => none_named(authentication, report),
        Type::None if webhook == INTEGRATED_SECRET => report.warning(
            "webhook_integrated_kept",
            REFERENCE,
            "with the type None the webhook of the integrated OAuth server stays in force, but nobody renews its secret",
            "name the secret of your own webhook, or set the type to IntegratedOAuth",
        ),
        Type::Integrated if !webhook.is_empty() && webhook != INTEGRATED_SECRET => report.error(
            "webhook_overwritten",
            REFERENCE,
            format!(
                "the webhook is not honored because with the type IntegratedOAuth (or none) the authentication operator \
                 overwrites the reference with {INTEGRATED_SECRET} within two minutes"
            ),
            "set spec.type to None",
        ),
        Type::Integrated if webhook.is_empty() => report.info(
            "integrated",
            "spec.type",
            "the integrated OAuth server is in force; the authentication operator sets its own webhook",
            "",
        ),
        Type::Oidc if !webhook.is_empty() && webhook != INTEGRATED_SECRET => report.error(
            "webhook_with_oidc",
            REFERENCE,
            "the webhook is not honored because with the type OIDC the API server asks the providers itself; most versions \
             refuse the object: this field cannot be set with the \"OIDC\" .spec.type",
            "set spec.type to None, or remove spec.webhookTokenAuthenticator",
        ),
        Type::None | Type::Integrated | Type::Oidc | Type::Unknown => {}
    }
    deprecated(authentication, report);
    integrated_metadata(authentication, report);
}

fn none_named(authentication: &Authentication<'_>, report: &mut Report) {
    if is_deprecated_list_used(authentication) {
        return;
    }
    report.warning(
        "webhook_unset",
        REFERENCE,
        "with the type None and no webhook, tokens of users are not accepted at all; client certificates and service \
         accounts still are",
        "name the secret with the webhook's kubeconfig",
    );
}

fn is_deprecated_list_used(authentication: &Authentication<'_>) -> bool {
    !authentication.object.list("/spec/webhookTokenAuthenticators").is_empty()
}

fn deprecated(authentication: &Authentication<'_>, report: &mut Report) {
    const PATH: &str = "spec.webhookTokenAuthenticators";
    const REMEDY: &str = "move the secret's name to spec.webhookTokenAuthenticator.kubeConfig.name and remove the list";
    if !is_deprecated_list_used(authentication) {
        return;
    }
    if authentication.webhook().is_empty() {
        let message = "the webhook is not honored because no operator reads this deprecated list";
        report.error("deprecated_list", PATH, message, REMEDY);
    } else {
        report.warning("deprecated_list", PATH, "no operator reads this deprecated list", REMEDY);
    }
}

fn integrated_metadata(authentication: &Authentication<'_>, report: &mut Report) {
    const PATH: &str = "status.integratedOAuthMetadata.name";
    let name = authentication.object.text("/status/integratedOAuthMetadata/name");
    match authentication.kind {
        _ if name.is_empty() => {}
        Type::Integrated if !authentication.metadata().is_empty() => report.warning(
            "metadata_overrides_integrated",
            "spec.oauthMetadata.name",
            "oc and the console are sent to another OAuth server than the integrated one, whose tokens the webhook takes",
            "remove spec.oauthMetadata, or set the type to None and name your own webhook",
        ),
        Type::None | Type::Oidc => {
            let message = format!("{name} is kept by the authentication operator and not served with this type");
            report.info("integrated_metadata_unused", PATH, message, "");
        }
        Type::Integrated | Type::Unknown => {}
    }
}
