(class_declaration name: (name) @name) @def.class
(interface_declaration name: (name) @name) @def.interface
(trait_declaration name: (name) @name) @def.trait
(enum_declaration name: (name) @name) @def.enum
(enum_case name: (name) @name) @def.constant
(function_definition name: (name) @name) @def.function
(method_declaration name: (name) @name) @def.method
(property_declaration (property_element name: (variable_name (name) @name))) @def.property
(const_declaration (const_element (name) @name)) @def.constant
(namespace_definition name: (_) @name body: (_)) @def.namespace

(function_call_expression function: [(name) (qualified_name)] @call)
(member_call_expression name: (name) @call)
(nullsafe_member_call_expression name: (name) @call)
(scoped_call_expression name: (name) @call)
(object_creation_expression [(name) (qualified_name)] @call)
(namespace_use_clause . [(name) (qualified_name)] @import)
(include_expression (_ (string_content) @import))
(include_once_expression (_ (string_content) @import))
(require_expression (_ (string_content) @import))
(require_once_expression (_ (string_content) @import))
(namespace_use_declaration (namespace_name) @import body: (namespace_use_group))
(base_clause (_) @extends)
(class_interface_clause (_) @implements)
(use_declaration [(name) (qualified_name)] @extends)
(named_type (_) @reference)
(scoped_call_expression scope: (name) @reference)
(attribute (name) @reference)
(comment) @comment
