(function_definition name: (word) @name) @def.function
(program (variable_assignment name: (variable_name) @name) @def.variable)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @def.variable)

(command name: (command_name (word) @call))
(command name: (command_name (word) @_source) . argument: (_) @import (#match? @_source "^(source|\\.)$"))
(comment) @comment
