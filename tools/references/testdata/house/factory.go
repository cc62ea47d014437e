package house

type Factory struct{ name string }

func NewFactory() *Factory { return &Factory{defaultName} }

func (f *Factory) Name() string { return f.name }
