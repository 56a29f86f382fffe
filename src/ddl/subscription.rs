//! Subscriptions (`dumpSubscription` in `pg_dump.c`).

use super::{Fidelity, Writer, binary_upgrade};
use crate::model::subscription::Subscription;
use crate::model::{Components, Object, Section};

pub(super) fn create_subscription(
    writer: &mut Writer<'_>,
    object: &Object,
    subscription: &Subscription,
) {
    if !writer.options.schema {
        return;
    }
    let name = writer.identifier(&object.name);
    if object.emits(Components::DEFINITION) {
        let publications: Vec<String> =
            subscription.publications.iter().map(|name| writer.identifier(name)).collect();
        let mut entry = writer.entry(object, "SUBSCRIPTION", &object.name, Section::PostData);
        entry.definition = format!(
            "CREATE SUBSCRIPTION {name} CONNECTION {} PUBLICATION {} WITH ({});\n",
            writer.literal(&subscription.connection),
            publications.join(", "),
            options(writer, subscription).join(", ")
        );
        if let Some(upgrade) = writer.upgrade {
            let running = binary_upgrade::running_subscription(writer, upgrade, object);
            entry.definition.push_str(&running);
        }
        entry.drop_statement = Some(format!("DROP SUBSCRIPTION {name};\n"));
        writer.push(entry);
    }
    let target = writer.target(object, "SUBSCRIPTION");
    writer.comment(object, &target);
    writer.security_labels(object, &target);
}

/// Returns the options; a restored subscription must not connect by itself.
fn options(writer: &Writer<'_>, subscription: &Subscription) -> Vec<String> {
    let slot = match &subscription.slot_name {
        Some(slot) => writer.literal(slot),
        None => "NONE".to_owned(),
    };
    let streaming = match subscription.streaming {
        't' => "on",
        'p' => "parallel",
        _ => "off",
    };
    let mut options = vec!["connect = false".to_owned(), format!("slot_name = {slot}")];
    let mut add = |wanted: bool, option: String| {
        if wanted {
            options.push(option);
        }
    };
    add(subscription.binary, "binary = true".to_owned());
    // Even if it says the default, because servers differ in what they take by themselves. pg_dump writes it, and
    // run_as_owner, for servers too that do not know them and refuse their own dump.
    let version = writer.database.facts.version;
    let is_exact = writer.options.fidelity == Fidelity::PgDump;
    add(is_exact || version.has_subscription_streaming(), format!("streaming = {streaming}"));
    add(subscription.two_phase != 'd', "two_phase = on".to_owned());
    add(subscription.disable_on_error, "disable_on_error = true".to_owned());
    add(!subscription.password_required, "password_required = false".to_owned());
    let knows_owner = is_exact || version.has_subscription_origin();
    add(knows_owner && subscription.run_as_owner, "run_as_owner = true".to_owned());
    add(subscription.failover, "failover = true".to_owned());
    let commit = &subscription.synchronous_commit;
    // Quoted as an identifier, because `on` is a keyword; a quirk of pg_dump.
    add(commit != "off", format!("synchronous_commit = {}", writer.identifier(commit)));
    let origin = &subscription.origin;
    add(!origin.eq_ignore_ascii_case("any"), format!("origin = {origin}"));
    options
}
