(class_specifier name: (_) @name body: (_)) @def.class
(namespace_definition name: (_) @name) @def.namespace
(function_definition declarator: (reference_declarator (function_declarator declarator: (_) @name))) @def.function
; Pure virtual functions have no other definition; what is only declared here is defined elsewhere.
(field_declaration declarator: (function_declarator declarator: (field_identifier) @name) default_value: (_)) @def.method
(field_declaration declarator: (pointer_declarator declarator: (function_declarator declarator: (field_identifier) @name)) default_value: (_)) @def.method
(alias_declaration name: (type_identifier) @name) @def.type
(concept_definition name: (identifier) @name) @def.type

(call_expression function: (qualified_identifier name: (identifier) @call))
(call_expression function: (qualified_identifier name: (qualified_identifier name: (identifier) @call)))
(call_expression function: (template_function name: (identifier) @call))
(call_expression function: (qualified_identifier name: (template_function name: (identifier) @call)))
(call_expression function: (field_expression field: (template_method name: (field_identifier) @call)))
(new_expression type: (type_identifier) @call)
(using_declaration (qualified_identifier) @import)
(base_class_clause [(type_identifier) (qualified_identifier) (template_type)] @extends)
