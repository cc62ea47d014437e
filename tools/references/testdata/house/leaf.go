package house

const defaultName = "house"
