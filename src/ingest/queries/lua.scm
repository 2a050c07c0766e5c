(function_declaration name: [(identifier) (dot_index_expression) (method_index_expression)] @name) @def.function
(assignment_statement (variable_list name: [(identifier) (dot_index_expression)] @name) (expression_list value: (function_definition))) @def.function
(field name: (identifier) @name value: (function_definition)) @def.function
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name))) @def.variable)
(chunk (variable_declaration (variable_list name: (identifier) @name)) @def.variable)
(chunk (assignment_statement (variable_list name: [(identifier) (dot_index_expression)] @name)) @def.variable)

(function_call name: (identifier) @call)
(function_call name: (dot_index_expression field: (identifier) @call))
(function_call name: (method_index_expression method: (identifier) @call))
(function_call name: (identifier) @_require arguments: (arguments . (string content: (_) @import)) (#eq? @_require "require"))
(comment) @comment
