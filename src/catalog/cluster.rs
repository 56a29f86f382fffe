//! What the databases of a server share, from `pg_authid`, `pg_auth_members`, `pg_tablespace` and the
//! other shared catalogs (`dumpRoles`, `dumpRoleMembership`, `dumpTablespaces` in `pg_dumpall.c`).

use std::collections::{HashMap, HashSet};

use super::selection::{PatternEncoding, PatternWriter};
use super::value::{filled, optional, setting};
use crate::connect::{Row, Session};
use crate::error::{Context, ErrorKind, Result};
use crate::model::acl::Acl;
use crate::model::cluster::{
    Cluster, Membership, ParameterPrivileges, PasswordHash, Role, RoleReference, Tablespace,
};
use crate::model::{Oid, ServerVersion};
use crate::select::{Pattern, PatternShape};

/// Whether the stored passwords of roles are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolePasswords {
    /// They are, which takes the right to read `pg_authid`.
    Read,
    /// They are not: everybody may read what else there is to know about roles.
    Omit,
}

impl RolePasswords {
    fn catalog(self) -> &'static str {
        match self {
            RolePasswords::Read => "pg_catalog.pg_authid",
            RolePasswords::Omit => "pg_catalog.pg_roles",
        }
    }
}

/// Settings of roles for all databases, in the order in which they were made.
const ROLE_SETTINGS: &str = "select s.setrole as oid, u.setting
    from pg_catalog.pg_db_role_setting s
    cross join lateral unnest(s.setconfig) with ordinality as u (setting, position)
    where s.setdatabase = 0 and s.setrole <> 0
    order by s.setrole, u.position";

const SECURITY_LABELS: &str = "select l.classoid::pg_catalog.regclass::text as class,
        l.objoid as oid, l.provider, l.label
    from pg_catalog.pg_shseclabel l
    where l.classoid in ('pg_catalog.pg_authid'::pg_catalog.regclass,
        'pg_catalog.pg_tablespace'::pg_catalog.regclass)";

/// The owner of a parameter is by definition the role that `initdb` made, whose oid is 10.
const PARAMETERS: &str = "select parname, pg_catalog.pg_get_userbyid(10) as owner, paracl,
        pg_catalog.acldefault('p', 10) as acldefault
    from pg_catalog.pg_parameter_acl
    order by parname";

const TABLESPACES: &str = "select t.oid, t.spcname,
        pg_catalog.pg_get_userbyid(t.spcowner) as owner,
        pg_catalog.pg_tablespace_location(t.oid) as location, t.spcacl,
        pg_catalog.acldefault('t', t.spcowner) as acldefault,
        pg_catalog.array_to_string(t.spcoptions, ', ') as options,
        pg_catalog.shobj_description(t.oid, 'pg_tablespace') as comment
    from pg_catalog.pg_tablespace t
    where t.spcname !~ '^pg_'
    order by t.oid";

/// A limit of -2 marks a database whose creation or removal did not come to its end.
const DATABASES: &str = "select datname, datallowconn and datconnlimit <> -2 as is_open
    from pg_catalog.pg_database
    where datname <> 'template0'
    order by datname";

/// The comment belongs to `pg_authid` whatever the roles are read from.
fn roles(passwords: RolePasswords) -> String {
    let password = match passwords {
        RolePasswords::Read => "rolpassword",
        RolePasswords::Omit => "null",
    };
    format!(
        "select oid, rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
            rolconnlimit, {password} as password, rolvaliduntil, rolreplication, rolbypassrls,
            pg_catalog.shobj_description(oid, 'pg_authid') as comment,
            rolname = current_user as is_current_user
        from {}
        where rolname !~ '^pg_'
        order by rolname",
        passwords.catalog()
    )
}

fn memberships(passwords: RolePasswords, version: ServerVersion) -> String {
    let options =
        if version.has_membership_options() { ", a.inherit_option, a.set_option" } else { "" };
    let catalog = passwords.catalog();
    format!(
        "select r.rolname as role, a.roleid, m.rolname as member, a.member as memberid,
            g.rolname as grantor, a.grantor as grantorid, a.admin_option{options}
        from pg_catalog.pg_auth_members a
        left join {catalog} r on r.oid = a.roleid
        left join {catalog} m on m.oid = a.member
        left join {catalog} g on g.oid = a.grantor
        where not (r.rolname ~ '^pg_' and m.rolname ~ '^pg_')
        order by r.rolname, m.rolname, g.rolname"
    )
}

/// Reads what the databases of the server share.
///
/// # Errors
///
/// When the server refuses a query; SQLSTATE 42501 if the role may not read passwords.
pub async fn read_cluster(session: &Session, passwords: RolePasswords) -> Result<Cluster> {
    let version = session.version();
    let labels = read_labels(session).await?;
    let (databases, closed_databases) = read_databases(session).await?;
    Ok(Cluster {
        version,
        encoding: session.parameter("client_encoding").unwrap_or_else(|| "UTF8".to_owned()),
        standard_conforming_strings: session
            .parameter("standard_conforming_strings")
            .is_some_and(|value| value == "on"),
        roles: read_roles(session, passwords, &labels).await?,
        memberships: read_memberships(session, passwords).await?,
        parameters: match version.has_parameter_privileges() {
            true => read_parameters(session).await?,
            false => Vec::new(),
        },
        tablespaces: read_tablespaces(session, &labels).await?,
        databases,
        closed_databases,
    })
}

/// Returns the names of the databases that any of the patterns matches.
///
/// # Errors
///
/// [`ErrorKind::Usage`] for a pattern of more than one part.
pub async fn matching_databases(
    session: &Session,
    patterns: &[String],
    encoding: PatternEncoding,
) -> Result<HashSet<String>> {
    let writer = PatternWriter::new(session, encoding);
    let mut names = HashSet::new();
    for text in patterns {
        let pattern = Pattern::parse(text, PatternShape::Name)
            .context(ErrorKind::Usage, || "could not understand a name pattern".to_owned())?;
        let query = format!(
            "select d.datname from pg_catalog.pg_database d where {}",
            writer.matches("d.datname", &pattern.name)
        );
        let rows = session.query(&format!("look for databases matching {text}"), &query).await?;
        for row in rows.iter() {
            names.insert(row.text("datname")?.to_owned());
        }
    }
    Ok(names)
}

/// Provider and label by catalog and oid.
type Labels = HashMap<(String, Oid), Vec<(String, String)>>;

async fn read_labels(session: &Session) -> Result<Labels> {
    let mut labels = Labels::new();
    for row in session.query("read labels of roles and tablespaces", SECURITY_LABELS).await?.iter()
    {
        // What lies in pg_catalog is always visible, so the name has no schema.
        let class = row.text("class")?.to_owned();
        let label = (row.text("provider")?.to_owned(), row.text("label")?.to_owned());
        labels.entry((class, row.oid("oid")?)).or_default().push(label);
    }
    Ok(labels)
}

fn labels_of(labels: &Labels, class: &str, oid: Oid) -> Vec<(String, String)> {
    labels.get(&(class.to_owned(), oid)).cloned().unwrap_or_default()
}

async fn read_roles(
    session: &Session,
    passwords: RolePasswords,
    labels: &Labels,
) -> Result<Vec<Role>> {
    let mut settings: HashMap<Oid, Vec<(String, String)>> = HashMap::new();
    for row in session.query("read settings of the roles", ROLE_SETTINGS).await?.iter() {
        let (name, value) = setting(row.text("setting")?)?;
        settings.entry(row.oid("oid")?).or_default().push((name, value));
    }
    let mut roles_read = Vec::new();
    for row in session.query("read the roles", &roles(passwords)).await?.iter() {
        let oid = row.oid("oid")?;
        roles_read.push(Role {
            oid,
            name: row.text("rolname")?.to_owned(),
            superuser: row.boolean("rolsuper")?,
            inherit: row.boolean("rolinherit")?,
            create_role: row.boolean("rolcreaterole")?,
            create_database: row.boolean("rolcreatedb")?,
            login: row.boolean("rolcanlogin")?,
            replication: row.boolean("rolreplication")?,
            bypass_row_security: row.boolean("rolbypassrls")?,
            connection_limit: row.integer("rolconnlimit")?,
            password: optional(&row, "password").map(PasswordHash),
            valid_until: optional(&row, "rolvaliduntil"),
            comment: optional(&row, "comment"),
            security_labels: labels_of(labels, "pg_authid", oid),
            settings: settings.remove(&oid).unwrap_or_default(),
            is_current_user: row.boolean("is_current_user")?,
        });
    }
    Ok(roles_read)
}

async fn read_memberships(session: &Session, passwords: RolePasswords) -> Result<Vec<Membership>> {
    let query = memberships(passwords, session.version());
    let reference = |row: &Row<'_>, oid: &str, name: &str| -> Result<RoleReference> {
        Ok(RoleReference { oid: row.oid(oid)?, name: optional(row, name) })
    };
    let option = |row: &Row<'_>, column: &str| -> Result<Option<bool>> {
        row.optional(column).map(|_| row.boolean(column)).transpose()
    };
    let mut memberships = Vec::new();
    for row in session.query("read the memberships of roles", &query).await?.iter() {
        memberships.push(Membership {
            role: reference(&row, "roleid", "role")?,
            member: reference(&row, "memberid", "member")?,
            grantor: reference(&row, "grantorid", "grantor")?,
            admin: row.boolean("admin_option")?,
            inherit: option(&row, "inherit_option")?,
            set: option(&row, "set_option")?,
        });
    }
    Ok(memberships)
}

async fn read_parameters(session: &Session) -> Result<Vec<ParameterPrivileges>> {
    let mut parameters = Vec::new();
    for row in session.query("read the privileges on parameters", PARAMETERS).await?.iter() {
        parameters.push(ParameterPrivileges {
            name: row.text("parname")?.to_owned(),
            owner: row.text("owner")?.to_owned(),
            acl: privileges(&row, "paracl"),
        });
    }
    Ok(parameters)
}

async fn read_tablespaces(session: &Session, labels: &Labels) -> Result<Vec<Tablespace>> {
    let mut tablespaces = Vec::new();
    for row in session.query("read the tablespaces", TABLESPACES).await?.iter() {
        let oid = row.oid("oid")?;
        tablespaces.push(Tablespace {
            oid,
            name: row.text("spcname")?.to_owned(),
            owner: row.text("owner")?.to_owned(),
            location: row.text("location")?.to_owned(),
            acl: privileges(&row, "spcacl"),
            options: filled(&row, "options").unwrap_or_default(),
            comment: filled(&row, "comment"),
            security_labels: labels_of(labels, "pg_tablespace", oid),
        });
    }
    Ok(tablespaces)
}

/// Returns the databases that can be dumped, and those that let nobody in.
async fn read_databases(session: &Session) -> Result<(Vec<String>, Vec<String>)> {
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for row in session.query("read the names of the databases", DATABASES).await?.iter() {
        let list = if row.boolean("is_open")? { &mut open } else { &mut closed };
        list.push(row.text("datname")?.to_owned());
    }
    Ok((open, closed))
}

fn privileges(row: &Row<'_>, column: &str) -> Acl {
    Acl {
        current: optional(row, column),
        default: optional(row, "acldefault"),
        initial: None,
        initial_kind: None,
    }
}
