//! Operator classes and operator families.

/// What only an operator class has.
#[derive(Debug, Clone, Default)]
pub struct OperatorClass {
    /// The raw name of the access method.
    pub access_method: String,
    /// `format_type` of `opcintype`.
    pub input_type: String,
    /// `format_type` of `opckeytype`, when it is set.
    pub storage_type: Option<String>,
    /// `opcdefault`.
    pub is_default: bool,
    /// The family as schema and name.
    pub family: (String, String),
    /// The members that the server ties to the class.
    pub members: OperatorMembers,
}

/// What only an operator family has.
#[derive(Debug, Clone, Default)]
pub struct OperatorFamily {
    /// The raw name of the access method.
    pub access_method: String,
    /// The members that the server ties to the family itself and to none of its classes.
    pub members: OperatorMembers,
}

/// Operators and support functions of a class or family, by strategy and number.
#[derive(Debug, Clone, Default)]
pub struct OperatorMembers {
    /// The operators.
    pub operators: Vec<MemberOperator>,
    /// The support functions.
    pub functions: Vec<MemberFunction>,
}

/// An operator of a class or family.
#[derive(Debug, Clone)]
pub struct MemberOperator {
    /// `amopstrategy`.
    pub strategy: i32,
    /// `regoperator` text.
    pub operator: String,
    /// `amopsortfamily` of an ordering operator, as schema and name.
    pub sort_family: Option<(String, String)>,
}

/// A support function of a class or family.
#[derive(Debug, Clone)]
pub struct MemberFunction {
    /// `amprocnum`.
    pub number: i32,
    /// `regtype` text of both operand types.
    pub operand_types: (String, String),
    /// `regprocedure` text.
    pub function: String,
}
