(class_declaration name: (_) @name) @def.class
(abstract_class_declaration name: (_) @name) @def.class
(interface_declaration name: (_) @name) @def.interface
(enum_declaration name: (_) @name) @def.enum
(enum_body name: (_) @name @def.constant)
(enum_assignment name: (_) @name) @def.constant
(type_alias_declaration name: (_) @name) @def.type
(internal_module name: (_) @name) @def.namespace
(module name: (_) @name) @def.module
(function_signature name: (identifier) @name) @def.function
(abstract_method_signature name: (_) @name) @def.method
(method_signature name: (_) @name) @def.method
(public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @def.method
(public_field_definition name: (_) @name) @def.property
(property_signature name: (_) @name) @def.property

(extends_clause value: (_) @extends)
(implements_clause (_) @implements)
(extends_type_clause (_) @extends)
(type_identifier) @reference
