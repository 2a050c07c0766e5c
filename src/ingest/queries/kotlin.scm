(class_declaration "interface" (type_identifier) @name) @def.interface
(class_declaration "enum" (type_identifier) @name) @def.enum
(class_declaration (type_identifier) @name) @def.class
(object_declaration (type_identifier) @name) @def.object
(companion_object (type_identifier) @name) @def.object
(enum_entry (simple_identifier) @name) @def.constant
(function_declaration (simple_identifier) @name) @def.function
(secondary_constructor "constructor" @name) @def.constructor
(type_alias (type_identifier) @name) @def.type
(class_parameter (binding_pattern_kind) (simple_identifier) @name) @def.property
(property_declaration (variable_declaration (simple_identifier) @name)) @def.property

(call_expression . (simple_identifier) @call)
(call_expression . (navigation_expression (navigation_suffix (simple_identifier) @call)))
(import_header (identifier) @import)
(delegation_specifier (user_type) @extends)
(delegation_specifier (constructor_invocation (user_type) @extends))
(delegation_specifier (explicit_delegation (user_type) @extends))
(user_type (type_identifier) @reference)
(annotation (user_type) @reference)
[(line_comment) (multiline_comment)] @comment
