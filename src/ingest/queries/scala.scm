(class_definition name: (_) @name) @def.class
(object_definition name: (_) @name) @def.object
(package_object name: (_) @name) @def.object
(trait_definition name: (_) @name) @def.trait
(enum_definition name: (_) @name) @def.enum
(simple_enum_case name: (_) @name) @def.constant
(full_enum_case name: (_) @name) @def.constant
(function_definition name: (_) @name) @def.function
(function_declaration name: (_) @name) @def.function
(type_definition name: (_) @name) @def.type
(given_definition name: (_) @name) @def.constant
(val_definition pattern: (identifier) @name) @def.property
(val_declaration name: (identifier) @name) @def.property
(var_definition pattern: (identifier) @name) @def.property

(call_expression function: (identifier) @call)
(call_expression function: (field_expression field: (identifier) @call))
(call_expression function: (generic_function function: (identifier) @call))
(call_expression function: (generic_function function: (field_expression field: (identifier) @call)))
(instance_expression (type_identifier) @call)
(instance_expression (generic_type type: (type_identifier) @call))
(import_declaration) @import
(extends_clause [(type_identifier) (generic_type) (stable_type_identifier)] @extends)
(type_identifier) @reference
(annotation) @attribute
[(comment) (block_comment)] @comment
