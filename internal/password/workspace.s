// Empty: where there is such a file, functions may be declared without a body,
// as workspace.go declares those that it links.
