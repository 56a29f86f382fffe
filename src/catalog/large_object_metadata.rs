//! Owner and privileges of each large object, in a form that two databases can be compared by.

use crate::archive::{LargeObjectClass, PRIVILEGES_ON};
use crate::ddl;
use crate::error::Result;
use crate::model::{Database, Oid};

/// What large objects have in common, and which have what.
#[derive(Debug, Clone, Default)]
pub struct LargeObjectMetadata {
    /// Every combination of owner and privileges that occurs, once.
    pub classes: Vec<LargeObjectClass>,
    /// The objects in ascending order, each with the place of its class.
    pub objects: Vec<(Oid, u32)>,
}

impl LargeObjectMetadata {
    /// Collects the large objects that were read.
    ///
    /// # Errors
    ///
    /// When the catalogs hold privileges that cannot be understood.
    pub fn of(database: &Database) -> Result<Self> {
        let mut metadata = LargeObjectMetadata::default();
        for object in database.objects() {
            if object.large_objects().is_empty() {
                continue;
            }
            let class = LargeObjectClass {
                owner: object.owner.clone().unwrap_or_default(),
                privileges: ddl::large_object_privileges(object, PRIVILEGES_ON)?,
            };
            let classes = &mut metadata.classes;
            let place = classes.iter().position(|known| *known == class).unwrap_or_else(|| {
                classes.push(class);
                classes.len() - 1
            });
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            metadata.objects.extend(object.large_objects().iter().map(|&oid| (oid, place)));
        }
        metadata.objects.sort_unstable();
        Ok(metadata)
    }

    /// Returns the place of an object's class, 0 when it is not known.
    pub fn class_of(&self, oid: Oid) -> u32 {
        let place = self.objects.binary_search_by_key(&oid, |(oid, _)| *oid);
        place.map_or(0, |place| self.objects[place].1)
    }
}
